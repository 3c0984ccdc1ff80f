"""What becomes of a file whose attempt has ended: it is loaded, waits for another attempt, or is quarantined."""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from offtake.core import counters
from offtake.core.loads.resolve import KILLED
from offtake.core.services import Services
from offtake.core.sources.source import WatchedSource
from offtake.errors import OfftakeError
from offtake.model.load import LoadState
from offtake.model.source import FileState, SourceFile
from offtake.store import counters as store_counters
from offtake.store import loads, source_files

_log = structlog.get_logger("offtake.sources")
_MAX_DOUBLINGS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFailure:
    """Why an attempt failed; a transient cause may be gone at the next attempt."""

    code: str
    is_transient: bool


def is_transient(error: BaseException) -> bool:
    """Return whether the storage, the state database or the machine caused an error, and not the data."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OfftakeError) and cause.retryable:
            return True
        if isinstance(cause, OSError) and cause.errno is not None:
            return True
        cause = cause.__cause__
    return False


def finish(
    source: WatchedSource, file: SourceFile, failure: FileFailure | None, on: Services, *, seconds: float | None = None
) -> FileState | None:
    """Record and log the outcome of an attempt and return the new state; None while the load is running.

    The record of the load decides: an attempt whose load is committed was successful, whatever failed afterwards.
    """
    with on.database.write() as connection:
        now = on.now(connection)
        record = None if file.load is None or file.state is not FileState.LOADING else loads.get(connection, file.load)
        if record is not None and record.state is LoadState.RUNNING:
            return None
        is_loaded = record is not None and record.state is not LoadState.FAILED
        error = None if is_loaded or failure is None else failure.code
        state, not_before = FileState.LOADED, now
        if not is_loaded:
            retries = failure is None or (failure.is_transient and file.attempts < source.policy.attempts)
            state = FileState.WAITING if retries else FileState.QUARANTINED
            if retries and failure is not None and failure.code != KILLED:  # kills are limited by the attempts
                not_before = now + source.policy.retry_delay * 2 ** min(max(file.attempts - 1, 0), _MAX_DOUBLINGS)
        rows = record.counts.get("read", 0) if is_loaded and record is not None else 0
        if source_files.end(connection, source.ref, file, state, now=now, not_before=not_before, error=error):
            store_counters.add(connection, counters.source_file(source.name, state, rows))
        else:
            return state  # another process recorded it
    log = _log.info if state is FileState.LOADED else _log.warning
    log(
        "source_file",
        source=source.name,
        tenant=source.target.tenant,
        table=source.target.table.name,
        file=file.name,
        state=state.value,
        load=file.load,
        rows=rows,
        attempt=file.attempts,
        error=error,
        seconds=None if seconds is None else round(seconds, 3),
    )
    return state
