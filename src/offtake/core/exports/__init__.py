"""Exports as a client sees them: create, read, cancel, delete, download, retention."""
