"""The HTTP layer that all dialects share: admission, access log, limits, downloads, health, metrics."""
