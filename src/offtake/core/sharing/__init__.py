"""Shared tables, which recipients read by Delta Sharing and the operator manages."""
