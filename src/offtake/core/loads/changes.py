"""Load files into a table, and delete rows of it; each change is recorded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from sqlalchemy import Connection

from offtake.core.loads.record import recorded
from offtake.core.services import Services
from offtake.errors import LakeError
from offtake.lake.ingest.delete import delete_keys, delete_where
from offtake.lake.ingest.inputs.input_file import Input
from offtake.lake.ingest.load import load_files
from offtake.lake.ingest.mapping.definition import digest
from offtake.lake.ingest.options import LoadOptions
from offtake.lake.ingest.row_filter import parse_row_filter
from offtake.lake.ingest.upsert import Change, Stored
from offtake.lake.tables import Table
from offtake.model.load import Completeness, LoadKind, LoadSource, NewLoad

Progress = Callable[[int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """The outcome of a change and the id of its record; None for a dry run."""

    id: str | None
    stored: Stored


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The rows that a command changes, and the operator or the source that changes them."""

    tenant: str
    table: Table
    actor: str

    def new(
        self,
        kind: LoadKind,
        files: Sequence[Path | Input] = (),
        *,
        mapping_digest: str | None = None,
        undoes: str | None = None,
        completeness: Completeness | None = None,
    ) -> NewLoad:
        """Return the record of a change that begins."""
        return NewLoad(
            kind=kind,
            tenant=self.tenant,
            table=self.table.name,
            actor=self.actor,
            source=tuple(_source(path) for path in files),
            mapping_digest=mapping_digest,
            undoes=undoes,
            completeness=completeness,
        )


def load(  # noqa: PLR0913
    target: Target,
    files: Sequence[Path | Input],
    options: LoadOptions,
    progress: Progress,
    on: Services,
    *,
    completeness: Completeness | None = None,
    begin: Callable[[Connection, str], None] | None = None,
) -> Recorded:
    """Load files; ``begin`` is called as ``recorded`` says.

    Raises LakeError, LoadRejected, StorageUnavailable; nothing is changed then.
    """
    if completeness is not None and target.table.event_time is None:
        raise LakeError(f"The rows of {target.table.name} have no event time, so no source declares how far they are.")
    new = target.new(LoadKind.LOAD, files, mapping_digest=digest(options.mapping), completeness=completeness)
    with recorded(new, on, begin=begin) as recording:
        declares_newest = completeness is not None and completeness.until is None
        stored = load_files(
            on.lake,
            target.table,
            files,
            tenant=target.tenant,
            options=replace(
                options, change=recording.change, newest_event=recording.declare if declares_newest else None
            ),
            progress=progress,
        )
        recording.finish(stored)
    return Recorded(id=recording.id, stored=stored)


def delete_by_keys(
    target: Target, files: Sequence[Path | Input], progress: Progress, on: Services, *, is_dry_run: bool
) -> Recorded:
    """Delete the rows whose keys are in the files. Raises LakeError, LoadRejected, StorageUnavailable."""

    def delete(change: Change) -> Stored:
        return delete_keys(on.lake, target.table, files, tenant=target.tenant, change=change, progress=progress)

    return _delete(target, files, delete, on, is_dry_run=is_dry_run)


def delete_by_filter(target: Target, text: str, on: Services, *, is_dry_run: bool) -> Recorded:
    """Delete the rows that fulfil a filter expression. Raises InvalidExpression, LakeError, StorageUnavailable."""
    expression = parse_row_filter(target.table, text)

    def delete(change: Change) -> Stored:
        return delete_where(on.lake, target.table, expression, tenant=target.tenant, change=change)

    return _delete(target, (), delete, on, is_dry_run=is_dry_run)


def _delete(
    target: Target, files: Sequence[Path | Input], delete: Callable[[Change], Stored], on: Services, *, is_dry_run: bool
) -> Recorded:
    if is_dry_run:
        return Recorded(id=None, stored=delete(Change(is_dry_run=True)))
    with recorded(target.new(LoadKind.DELETE, files), on) as recording:
        stored = delete(recording.change)
        recording.finish(stored)
    return Recorded(id=recording.id, stored=stored)


def _source(file: Path | Input) -> LoadSource:
    path = file if isinstance(file, Path) else file.local
    size = None
    if path is not None:
        with suppress(OSError):  # the load reports it
            size = path.stat().st_size if path.is_file() else None
    return LoadSource(name=str(file) if isinstance(file, Path) else file.name, bytes=size)
