"""The fuse box: the only room that knows every other. It builds the running system from the settings."""
