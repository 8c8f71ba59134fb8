"""A shelf: one file per device type. A new type is a new file here, and nothing else."""
