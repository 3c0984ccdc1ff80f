"""List sources and their files, and let files that are quarantined or loaded wait for another attempt."""

from __future__ import annotations

from collections.abc import Sequence

from offtake.core.services import Services
from offtake.errors import StateError, UnknownName
from offtake.model.source import FileState, SourceFile, SourceSummary
from offtake.store import source_files


def list_sources(on: Services) -> Sequence[SourceSummary]:
    """Return the sources of all tenants that have seen a file."""
    with on.database.read() as connection:
        return source_files.summaries(connection)


def get(name: str, on: Services, *, tenant: str | None) -> SourceSummary:
    """Return the source of that name. Raises UnknownName, also if several tenants have one and none is given."""
    found = [each for each in list_sources(on) if each.source.name == name and tenant in (None, each.source.tenant)]
    if len(found) > 1:
        tenants = ", ".join(each.source.tenant for each in found)
        raise UnknownName(f"Several tenants have a source {name}: {tenants}; name one with --tenant.")
    if not found:
        raise UnknownName(f"No source {name} has seen a file; list them with: offtake sources list")
    return found[0]


def files(summary: SourceSummary, on: Services) -> Sequence[SourceFile]:
    """Return all files of a source, by name."""
    with on.database.read() as connection:
        return source_files.listed(connection, summary.source)


def retry(summary: SourceSummary, file: str, on: Services) -> None:
    """Let a quarantined file wait for an attempt. Raises UnknownName, StateError."""
    known = {each.name: each for each in files(summary, on)}
    if file not in known:
        raise UnknownName(f"The source {summary.source.name} has seen no file {file!r}.")
    with on.database.write() as connection:
        if not source_files.retry(connection, summary.source, file, FileState.QUARANTINED, now=on.now(connection)):
            state = known[file].state
            raise StateError(f"The file {file} is {state}; only a quarantined one can be retried.")


def reload(summary: SourceSummary, on: Services, *, first: str | None = None, dry_run: bool = False) -> list[str]:
    """Let the loaded files from the name ``first`` on wait to be loaded again; return their names.

    Later files are loaded again, too, so that rows end with the values of the last file. Raises UnknownName.
    """
    known = files(summary, on)
    if first is not None and all(each.name != first for each in known):
        raise UnknownName(f"The source {summary.source.name} has seen no file {first!r}.")
    names = [each.name for each in known if each.state is FileState.LOADED and (first is None or each.name >= first)]
    if dry_run:
        return names
    with on.database.write() as connection:
        now = on.now(connection)
        return [
            name for name in names if source_files.retry(connection, summary.source, name, FileState.LOADED, now=now)
        ]
