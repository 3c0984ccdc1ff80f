"""The data lake: care data in Delta tables, described by the data model ``tables.toml``."""
