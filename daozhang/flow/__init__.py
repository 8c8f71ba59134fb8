"""How it is done: the only rooms where asking, waiting and writing down come together.

The network is only used between transactions. Whoever dies, the row and its timer let another continue.
"""
