"""What to make of it: facts in, causes and words out. Pure."""
