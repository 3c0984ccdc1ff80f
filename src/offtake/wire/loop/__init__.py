"""Loop export reports (the Loop contract): JSON over HTTP, personal tokens, signed links under a separate path."""
