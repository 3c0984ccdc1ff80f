"""Changes of the lake's rows by operators and sources: recorded, resolved after a crash, listed and undone."""
