"""Figures, not tests: ratios from one run, CPU per payment, and what the machine was doing meanwhile."""
