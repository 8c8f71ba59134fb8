"""Floor 0: what is true. Standard library only: no clock, no randomness, no sockets, no SQL."""
