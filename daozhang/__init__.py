"""daozhang 到账: a scan payment that always answers."""

__version__ = "0.1.0"
