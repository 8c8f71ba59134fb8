"""The yard: worlds in which the real flow runs on virtual time. No room of the house looks here."""
