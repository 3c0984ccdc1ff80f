"""Loading: files are read, validated, upserted; bad rows are rejected."""
