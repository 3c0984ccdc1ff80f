"""Operator functions: tenants, credentials, jobs, the worker registry and health checks."""
