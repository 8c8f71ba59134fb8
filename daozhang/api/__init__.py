"""The doors: HTTP in, problems out. Nothing here decides about money."""
