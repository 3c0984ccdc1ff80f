"""Loads: the record of each change of a tenant's rows in the lake, and its states.

    running ──> committed ──> undone
       └──────> failed

A record is running before the change is committed to the lake's table. A process that is killed leaves it running; the
log of the table then tells whether the change was committed (``core/loads/resolve.py``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType


class LoadKind(StrEnum):
    """What a change did."""

    LOAD = "load"
    DELETE = "delete"
    UNDO = "undo"


class LoadState(StrEnum):
    """State of a load."""

    RUNNING = "running"
    COMMITTED = "committed"  # it has no version if every row was unchanged
    FAILED = "failed"  # nothing was changed
    UNDONE = "undone"


LOAD_MOVES: Mapping[LoadState, frozenset[LoadState]] = MappingProxyType(
    {
        LoadState.RUNNING: frozenset({LoadState.COMMITTED, LoadState.FAILED}),
        LoadState.COMMITTED: frozenset({LoadState.UNDONE}),
        LoadState.FAILED: frozenset(),
        LoadState.UNDONE: frozenset(),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadSource:
    """One file or other source of a load; ``bytes`` is None if its size is unknown."""

    name: str
    bytes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Completeness:
    """What a load declares: all rows with an earlier event time than ``until`` have been delivered.

    ``until`` is None for the newest event time of the load's rows. An instant that is earlier than the one in force
    only takes its place if the load ``lowers`` it.
    """

    until: datetime | None = None
    lowers: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NewLoad:
    """A change of a tenant's rows that begins. ``actor`` is the operator's login name, or the name of a source."""

    kind: LoadKind
    tenant: str
    table: str
    actor: str
    source: tuple[LoadSource, ...] = ()
    mapping_digest: str | None = None
    undoes: str | None = None  # the load that an undo undoes
    completeness: Completeness | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadRecord:
    """The record of a change; ``id`` is that of the change in the log of the table. It has no rows and no values."""

    id: str
    kind: LoadKind
    tenant: str
    table: str
    actor: str
    source: tuple[LoadSource, ...]
    mapping_digest: str | None
    undoes: str | None
    undone_by: str | None
    state: LoadState
    started_at: datetime
    finished_at: datetime | None
    base_version: int | None  # of the table when the change began; None: there was no table
    version: int | None  # of the commit
    counts: Mapping[str, int] = field(default_factory=dict)
    failure: str | None = None  # code of the error
    complete_until: datetime | None = None  # what the load declares; in force while the load is committed
    lowers_completeness: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadFilter:
    """Which loads to list."""

    tenant: str | None = None
    table: str | None = None
    state: LoadState | None = None
