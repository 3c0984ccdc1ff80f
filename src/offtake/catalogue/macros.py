"""The words that a report's SQL may use beyond DuckDB's own; ``macros.sql`` defines them."""

from __future__ import annotations

from pathlib import Path

MACROS = Path(__file__).with_suffix(".sql").read_text(encoding="utf-8")
