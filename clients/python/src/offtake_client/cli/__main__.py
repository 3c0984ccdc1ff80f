"""``python -m offtake_client.cli``."""

from __future__ import annotations

from offtake_client.cli import main

main()
