"""Erasure of a person's values from the lake, by the rules of ``tables.toml``."""
