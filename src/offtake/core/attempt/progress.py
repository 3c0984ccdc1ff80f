"""Progress of a running attempt, shared by its threads: the attempt updates it, the heartbeat records it."""

from __future__ import annotations

from offtake.model.job import Phase, Progress


class AttemptProgress:
    """Phase and number of rows. Each update replaces one immutable value, so readers need no lock."""

    def __init__(self) -> None:
        self.current = Progress(phase=Phase.OPENING, rows=0)
        self.empty_tables: tuple[str, ...] = ()  # with a notice, for the log

    def enter(self, phase: Phase) -> None:
        """Begin a phase. An attempt that repeats its query with less memory enters ``querying`` again, without rows."""
        rows = self.current.rows if phase is Phase.PUBLISHING else 0
        self.current = Progress(phase=phase, rows=rows)

    def write(self, rows: int) -> None:
        """Set the number of rows that are written."""
        self.current = Progress(phase=self.current.phase, rows=rows)
