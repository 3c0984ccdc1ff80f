"""Statements on the files of sources. Each move is one statement that names the state it starts from."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, func, insert, select, update

from offtake.model.source import FileState, SourceFile, SourceRef, SourceSummary
from offtake.store import installation
from offtake.store.schema import source_file


def listed(
    connection: Connection, source: SourceRef, states: Collection[FileState] = tuple(FileState)
) -> Sequence[SourceFile]:
    """Return the files of a source that are in one of the states, by name."""
    statement = select(source_file).where(_of(source), source_file.c.state.in_([each.value for each in states]))
    return sorted((_file(row) for row in connection.execute(statement)), key=lambda each: each.name)


def named(connection: Connection, source: SourceRef, names: Collection[str]) -> Mapping[str, SourceFile]:
    """Return by name the files of a source that have one of at most 1,000 names.

    The record of a file whose name an erasure removed has its ``erased_name``, so that the file is not loaded again.
    """
    recorded = {name: name for name in names}
    key = installation.get(connection, installation.ERASURE_KEY)
    if key is not None:
        recorded |= {erased_name(key, source.tenant, name): name for name in names}
    statement = select(source_file).where(_of(source), source_file.c.name.in_(list(recorded)))
    return {recorded[row.name]: _file(row) for row in connection.execute(statement)}


def erased_name(key: str, tenant: str, name: str) -> str:
    """Return what stands for the name of a file that holds a value of a person: a hash with the key of erasures."""
    digest = hmac.new(bytes.fromhex(key), f"file\0{tenant}\0{name}".encode(), hashlib.sha256)
    return f"erased-{digest.hexdigest()}"


def see(connection: Connection, source: SourceRef, name: str, *, bytes: int, fingerprint: str, now: datetime) -> None:  # noqa: A002
    """Record a file that is new or has other content than before: it waits. A file that is being loaded stays."""
    values: dict[str, Any] = {"bytes": bytes, "fingerprint": fingerprint, "state": FileState.WAITING.value}
    values |= {"changed_at": now, "attempts": 0, "not_before": now, "error": None}
    is_this = and_(_of(source), source_file.c.name == name)
    known = connection.execute(select(source_file.c.fingerprint).where(is_this)).one_or_none()
    if known is None:
        connection.execute(insert(source_file).values(tenant=source.tenant, source=source.name, name=name, **values))
    elif known.fingerprint != fingerprint:
        connection.execute(
            update(source_file).where(is_this, source_file.c.state != FileState.LOADING.value).values(**values)
        )


def begin(connection: Connection, source: SourceRef, file: SourceFile, load_id: str) -> bool:
    """Begin an attempt at a waiting file; return False if another process has begun one or the file changed."""
    values = {"state": FileState.LOADING.value, "load": load_id, "attempts": source_file.c.attempts + 1}
    return _move(connection, source, file, FileState.WAITING, values)


def end(  # noqa: PLR0913
    connection: Connection,
    source: SourceRef,
    file: SourceFile,
    state: FileState,
    *,
    now: datetime,
    not_before: datetime,
    error: str | None,
) -> bool:
    """End the attempt at a file, whose load it names. Return False if another process has ended it."""
    is_over = state in (FileState.LOADED, FileState.QUARANTINED)
    values = {"state": state.value, "not_before": not_before, "error": error, "finished_at": now if is_over else None}
    return _move(connection, source, file, file.state, values)


def retry(connection: Connection, source: SourceRef, name: str, state: FileState, *, now: datetime) -> bool:
    """Let a file that is in this state, an end, wait for an attempt again; return False if it is in another one."""
    is_this = and_(_of(source), source_file.c.name == name, source_file.c.state == state.value)
    values = {"state": FileState.WAITING.value, "attempts": 0, "not_before": now, "finished_at": None}
    return connection.execute(update(source_file).where(is_this).values(**values)).rowcount > 0


def summaries(connection: Connection) -> Sequence[SourceSummary]:
    """Return what is known of all sources, by tenant and name."""
    key = (source_file.c.tenant, source_file.c.source)
    statement = select(
        *key, source_file.c.state, func.count().label("files"), func.max(source_file.c.finished_at).label("last")
    ).group_by(*key, source_file.c.state)
    found: dict[SourceRef, SourceSummary] = {}
    for row in connection.execute(statement):
        ref, state = SourceRef(tenant=row.tenant, name=row.source), FileState(row.state)
        before = found.get(ref, SourceSummary(source=ref, files={}, last_success=None))
        last = row.last if state is FileState.LOADED else before.last_success
        found[ref] = SourceSummary(source=ref, files={**before.files, state: row.files}, last_success=last)
    return [found[ref] for ref in sorted(found, key=lambda each: (each.tenant, each.name))]


def _of(source: SourceRef) -> ColumnElement[bool]:
    return and_(source_file.c.tenant == source.tenant, source_file.c.source == source.name)


def _move(
    connection: Connection, source: SourceRef, file: SourceFile, state: FileState, values: Mapping[str, Any]
) -> bool:
    is_this = and_(
        _of(source),
        source_file.c.name == file.name,
        source_file.c.state == state.value,
        source_file.c.fingerprint == file.fingerprint,
    )
    if state is FileState.LOADING:
        is_this = and_(is_this, source_file.c.load == file.load)
    return connection.execute(update(source_file).where(is_this).values(**values)).rowcount > 0


def _file(row: Row[Any]) -> SourceFile:
    return SourceFile(
        name=row.name,
        bytes=row.bytes,
        fingerprint=row.fingerprint,
        state=FileState(row.state),
        changed_at=row.changed_at,
        attempts=row.attempts,
        not_before=row.not_before,
        load=row.load,
        error=row.error,
        finished_at=row.finished_at,
    )
