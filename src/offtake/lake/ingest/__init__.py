"""Loading of files into lake tables: read, validate, reject bad rows, upsert good ones."""
