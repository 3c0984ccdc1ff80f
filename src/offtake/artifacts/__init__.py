"""Artifacts: finished files, staged under a key that carries the fence, published whole in a folder or a bucket."""
