"""The DuckDB macros for the SQL of reports, which ``macros.sql`` defines."""

from __future__ import annotations

from pathlib import Path

MACROS = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")
