"""SQL that creates a table for an export and loads its files, for each warehouse."""

from __future__ import annotations

from offtake_client.warehouses.dialects import WarehouseName
from offtake_client.warehouses.statements import Script, load_script

__all__ = ["Script", "WarehouseName", "load_script"]
