"""Offtake: a self-hosted export server for customer-care data."""

from importlib.metadata import version

__version__ = version("offtake")
