"""HTTP plumbing that no dialect owns."""
