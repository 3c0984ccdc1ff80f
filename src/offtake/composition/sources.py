"""Builds the unattended sources of the settings."""

from __future__ import annotations

from offtake.core.loads.changes import Target
from offtake.core.sources.settings import SourceSettings
from offtake.core.sources.source import WatchedSource
from offtake.errors import LakeError, SettingsError
from offtake.home import Home
from offtake.lake.ingest.mapping.definition import IDENTITY
from offtake.lake.ingest.mapping.toml_mapping import read_mapping
from offtake.lake.ingest.max_rejects import parse_max_rejects
from offtake.lake.ingest.options import LoadOptions
from offtake.lake.tables import tables
from offtake.model.load import Completeness
from offtake.settings import Settings


def build_sources(home: Home, settings: Settings) -> tuple[WatchedSource, ...]:
    """Return the sources with their mappings. Raises SettingsError."""
    return tuple(_source(name, given, home) for name, given in settings.sources.items())


def _source(name: str, given: SourceSettings, home: Home) -> WatchedSource:
    where = f"{home.settings}: sources.{name}"
    try:
        mapping = IDENTITY if given.mapping is None else read_mapping(home.root / given.mapping)
    except LakeError as error:
        raise SettingsError(f"{where}.mapping: {error.message}") from error
    table = mapping.table if given.table is None else given.table
    if table is None or mapping.table not in (None, table):
        raise SettingsError(f"{where}: the mapping is for table {mapping.table}; table has to name the same one.")
    if given.complete_until_newest and tables()[table].event_time is None:
        raise SettingsError(f"{where}.complete_until_newest: the rows of {table} have no event time.")
    return WatchedSource(
        name=name,
        target=Target(tenant=given.tenant, table=tables()[table], actor=name),
        location=given.location if "://" in given.location else str(home.root / given.location),
        pattern=given.pattern,
        form=given.format,
        options=LoadOptions(mapping=mapping, max_rejects=parse_max_rejects(given.max_rejects)),
        completeness=Completeness() if given.complete_until_newest else None,
        policy=given.policy(),
    )
