"""Frozen values without I/O: what the rest of the product passes around."""
