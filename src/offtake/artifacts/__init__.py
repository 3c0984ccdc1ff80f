"""Artifacts: finished files, staged under a key that carries the fence, published by a rename."""
