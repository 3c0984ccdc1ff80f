"""Writes the counted denials of the server to the audit log, at intervals and at the end."""

from __future__ import annotations

from contextlib import suppress

from offtake.core.admin import audit_log
from offtake.core.services import Services
from offtake.errors import OfftakeError
from offtake.executor.background import BackgroundThread

INTERVAL_SECONDS = 60.0


class DenialWriter(BackgroundThread):
    """Writes while the block runs. What cannot be written is counted again and written later."""

    def __init__(self, on: Services, *, interval_seconds: float = INTERVAL_SECONDS) -> None:
        super().__init__("denials", self._run)
        self._on = on
        self._interval = interval_seconds

    def _run(self) -> None:
        is_last = False
        while not is_last:
            is_last = self._done.wait(self._interval)
            with suppress(OfftakeError):  # the database cannot be reached
                audit_log.write_denials(self._on)
