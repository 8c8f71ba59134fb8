"""Ways to alert people: one file each, found by looking. A way has ``KEYS`` (name -> required), ``write`` and ``taken``."""
