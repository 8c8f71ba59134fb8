"""Clients of other authors that cannot live beside the ones in our lock: each in a folder and a process of its own."""
