"""The shelf of channels: one folder each, found by looking. No channel knows another, and nobody names one."""
