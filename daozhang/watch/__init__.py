"""What many payments tell together: counts by place, bursts, incidents and their words. Pure: facts in, decision out."""
