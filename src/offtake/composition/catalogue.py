"""The catalogue of the built-in reports and of the operator's own."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from offtake.catalogue import BUILT_IN
from offtake.catalogue.load import Catalogue, load_catalogue, report_folders
from offtake.home import Home
from offtake.lake.tables import tables
from offtake.settings import Settings
from offtake.wire.presentations import PRESENTATIONS


def own_reports(home: Home, settings: Settings) -> dict[str, Path]:
    """Return the folders of the operator's own reports by name, in order."""
    return {path.name: path for folder in settings.catalogue.folders for path in report_folders(home.root / folder)}


def build_catalogue(home: Home, settings: Settings) -> Catalogue:
    """Load the built-in and the configured reports, checked against the lake's tables. Raises CatalogueError."""
    own = [home.root / folder for folder in settings.catalogue.folders]
    return _load_catalogue(*own) if own else _built_in_catalogue()


@lru_cache(maxsize=1)
def _built_in_catalogue() -> Catalogue:
    """Load the built-in reports once per process: they cannot change, and checking them takes half a second."""
    return _load_catalogue()


def _load_catalogue(*own: Path) -> Catalogue:
    columns = {name: dict(table.stored_columns) for name, table in tables().items()}
    return load_catalogue(BUILT_IN, *own, tables=columns, dialects=list(PRESENTATIONS))
