"""Erasure of a person from a tenant: lake, artifacts, state database, and the receipt."""
