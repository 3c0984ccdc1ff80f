"""The lake: care data in Delta tables, and the model that describes them (``tables.toml``)."""
