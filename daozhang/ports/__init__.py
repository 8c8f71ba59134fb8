"""The real carriers of the five ports. Everything that is not deterministic lives here (and in the store)."""
