"""Offtake: a self-hosted export server for customer-care data."""

__version__ = "0.1.0"
