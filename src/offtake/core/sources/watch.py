"""Load the new files of a source, each once, in the order of their names.

The transaction that adds the record of a load also makes its file ``loading`` and names the load. So a process that is
killed at any point leaves a file whose load can be looked up: ``core/loads/resolve.py`` tells whether it was committed.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from threading import Event

import structlog
from sqlalchemy import Connection

from offtake.core.loads import changes
from offtake.core.loads.resolve import KILLED, resolve_all
from offtake.core.services import Services
from offtake.core.sources.outcome import FileFailure, finish, is_transient
from offtake.core.sources.source import WatchedSource
from offtake.errors import JobStateConflict, LakeError, OfftakeError, UnknownName
from offtake.lake.ingest.expand import InputExpander
from offtake.lake.ingest.watched import WatchedFile, watched_files
from offtake.model.source import FileState, SourceFile
from offtake.store import identity, source_files

_log = structlog.get_logger("offtake.sources")
_PAUSE = 9  # times the duration of a listing: a location with very many files is listed a tenth of the time at most
_IN_PROGRESS = (FileState.WAITING, FileState.LOADING)


def watch(source: WatchedSource, on: Services, stop: Event) -> None:
    """Load new files until ``stop`` is set. Faults of the location or the state database are logged and tried again."""
    every, unchanged = source.policy.every.total_seconds(), source.policy.unchanged.total_seconds()
    while not stop.is_set():
        listing = 0.0
        try:
            _require_tenant(source, on)
            started_at = time.monotonic()
            found = _look(source, on)
            listing = time.monotonic() - started_at
            waits = _load_found(source, found, on, stop)
        except OfftakeError as error:
            names = {"source": source.name, "tenant": source.target.tenant, "error": error.code}
            _log.warning("source_failed", **names, reason=error.message)  # of the location, not of a file
            waits = False
        stop.wait(max(min(every, max(unchanged, 1.0)) if waits else every, _PAUSE * listing))


def load_new_files(source: WatchedSource, on: Services, stop: Event) -> bool:
    """Load the files that are ready; return whether some still wait.

    Raises LakeError, StorageUnavailable, Unavailable; errors of a file are recorded.
    """
    _require_tenant(source, on)
    return _load_found(source, _look(source, on), on, stop)


def _look(source: WatchedSource, on: Services) -> dict[str, WatchedFile]:
    """Record new and changed files, and return those that are neither loaded nor quarantined.

    The whole location is listed, because a late file may have any name; only a page of it is held in memory.
    """
    found: dict[str, WatchedFile] = {}
    for page in watched_files(source.location, source.pattern, on.bucket):
        found |= _see(source, page, on)
    return found


def _load_found(source: WatchedSource, found: dict[str, WatchedFile], on: Services, stop: Event) -> bool:
    for file in _listed(source, FileState.LOADING, on):
        if not _resolve(source, file, on):
            return True  # another process loads it
    for file in _listed(source, FileState.WAITING, on):
        if file.name not in found:
            continue
        if stop.is_set() or not _is_ready(source, file, found[file.name], on):
            return True  # later files wait for it
        if not _load(source, file, found[file.name], on):
            return True
    return False


def _require_tenant(source: WatchedSource, on: Services) -> None:
    with on.database.read() as connection:
        tenant = identity.get_tenant(connection, source.target.tenant)
    if tenant is None or tenant.removing_at is not None:
        raise UnknownName(f"The source {source.name} names the tenant {source.target.tenant}, which does not exist.")


def _see(source: WatchedSource, page: Sequence[WatchedFile], on: Services) -> dict[str, WatchedFile]:
    """Record the new and changed files of a page; return those that are neither loaded nor quarantined by record."""
    with on.database.read() as connection:
        known = source_files.named(connection, source.ref, [each.name for each in page])
    recorded = {each.name: known[each.name].name if each.name in known else each.name for each in page}
    fresh = [each for each in page if each.name not in known or known[each.name].fingerprint != each.fingerprint]
    if fresh:
        with on.database.write() as connection:
            now = on.now(connection)
            for each in fresh:
                source_files.see(
                    connection,
                    source.ref,
                    recorded[each.name],
                    bytes=each.bytes,
                    fingerprint=each.fingerprint,
                    now=now,
                )
    waiting = [each for each in page if each.name in known and known[each.name].state in _IN_PROGRESS]
    return {recorded[each.name]: each for each in (*fresh, *waiting)}


def _listed(source: WatchedSource, state: FileState, on: Services) -> list[SourceFile]:
    with on.database.read() as connection:
        return list(source_files.listed(connection, source.ref, [state]))


def _resolve(source: WatchedSource, file: SourceFile, on: Services) -> bool:
    """Record what became of the load of a process that ended; return False while it is running."""
    resolve_all(on, table=source.target.table.name)
    return finish(source, file, FileFailure(code=KILLED, is_transient=True), on) is not None


def _is_ready(source: WatchedSource, file: SourceFile, found: WatchedFile, on: Services) -> bool:
    with on.database.read() as connection:
        now = on.now(connection)
    is_unchanged = found.appears_complete or now - file.changed_at >= source.policy.unchanged
    return is_unchanged and file.not_before <= now and file.fingerprint == found.fingerprint


def _load(source: WatchedSource, file: SourceFile, found: WatchedFile, on: Services) -> bool:
    """Attempt to load a file; return whether the next one may be loaded."""
    begun = file

    def begin(connection: Connection, load_id: str) -> None:
        nonlocal begun
        if not source_files.begin(connection, source.ref, file, load_id):
            raise JobStateConflict("Another process loads the file, or it changed.")
        begun = replace(file, state=FileState.LOADING, load=load_id, attempts=file.attempts + 1)

    started_at, error = time.monotonic(), None
    try:
        inputs = InputExpander(form=source.form, bucket=on.bucket).expand([found.word]).inputs
        changes.load(
            source.target,
            inputs,
            source.options,
            lambda rows: None,
            on,
            completeness=source.completeness,
            begin=begin,
        )
    except JobStateConflict:
        return False
    except OfftakeError as raised:
        if begun is file and not isinstance(raised, LakeError):
            raise  # nothing is wrong with the file
        error = raised
    failure = None
    if error is not None:
        has_changed = _has_changed(source, found, on)
        failure = FileFailure(code=error.code, is_transient=has_changed or is_transient(error))
    state = finish(source, begun, failure, on, seconds=time.monotonic() - started_at)
    return state in (FileState.LOADED, FileState.QUARANTINED)


def _has_changed(source: WatchedSource, found: WatchedFile, on: Services) -> bool:
    """Return whether the file is not as it was listed: it was replaced, written further or removed."""
    try:
        pages = watched_files(source.location, source.pattern, on.bucket)
        return all(each != found for page in pages for each in page)
    except OfftakeError:
        return False
