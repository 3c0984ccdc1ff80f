"""Draft a mapping from a file: look at a sample, match columns by name and content, write TOML to edit."""
