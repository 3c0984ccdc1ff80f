"""Artifacts: finished files of jobs, staged under a key with the fence, then published in a folder or a bucket."""
