"""Reads report folders into one ``Catalogue`` and holds the reports against each other.

A faulty folder stops the load: a report that cannot be trusted must not be ordered, and a start is when someone is
watching. What is wrong inside one file is the business of the other modules; what two folders dispute is decided here.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from offtake.catalogue.folder import NAME, SHARED, Tables, intermediate_file, read_report
from offtake.catalogue.publication import dialect_of, read_publication
from offtake.catalogue.query import QueryCheck
from offtake.errors import CatalogueError
from offtake.model.report import Publication, Report
from offtake.tomlfile import read_toml

_IGNORED = frozenset({"__pycache__", SHARED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """All reports, and what each dialect calls them."""

    reports: Mapping[str, Report]
    publications: Mapping[tuple[str, str], Publication]  # by dialect and report
    slugs: Mapping[tuple[str, str], Publication]  # by dialect and slug, aliases included

    def publication(self, dialect: str, report: str) -> Publication | None:
        """How a dialect shows a report; None where it does not."""
        return self.publications.get((dialect, report))

    def by_slug(self, dialect: str, slug: str) -> Publication | None:
        """What a dialect means by a slug or one of its aliases; None where it means nothing."""
        return self.slugs.get((dialect, slug))


def load_catalogue(*folders: Path, tables: Tables) -> Catalogue:
    """Every report under ``folders``. ``tables`` gives each lake table's columns with their DuckDB types, because the
    catalogue does not know the lake. Raises CatalogueError with one line of ``file:line: fault`` per fault."""
    faults: list[str] = []
    loading = _Loading(faults)
    with QueryCheck(tables, faults) as check:
        for folder in _report_folders(folders, faults):
            report = read_report(folder, tables, faults)
            if report is None:
                continue
            intermediate_tables = [
                intermediate_file(folder, intermediate.name) for intermediate in report.intermediate_tables
            ]
            check.check(report, folder / "query.sql", intermediate_tables)
            loading.add_report(report, folder)
            for path in _wire_files(folder, intermediate_tables, faults):
                publication = read_publication(path, report, faults)
                if publication is not None:
                    loading.add_publication(publication, path)
    if faults:
        raise CatalogueError("\n".join(faults))
    return loading.catalogue()


class _Loading:
    """What has been read so far, and from where, so that a dispute can name both sides."""

    def __init__(self, faults: list[str]) -> None:
        self._faults = faults
        self._reports: dict[str, Report] = {}
        self._publications: dict[tuple[str, str], Publication] = {}
        self._slugs: dict[tuple[str, str], Publication] = {}
        self._folders: dict[str, Path] = {}

    def add_report(self, report: Report, folder: Path) -> None:
        """Take a report in; its name must be free."""
        if report.name in self._reports:
            other = self._folders[report.name]
            self._faults.append(
                f"{folder / 'report.toml'}:1: {other} is a report of that name already; rename this folder"
            )
            return
        self._reports[report.name] = report
        self._folders[report.name] = folder

    def add_publication(self, publication: Publication, path: Path) -> None:
        """Take a publication in; its slug and aliases must be free in its dialect."""
        self._publications[publication.dialect, publication.report] = publication
        for index, slug in enumerate((publication.slug, *publication.aliases)):
            holder = self._slugs.setdefault((publication.dialect, slug), publication)
            if holder is not publication or slug in (publication.slug, *publication.aliases)[:index]:
                where = read_toml(path).where(*(("aliases", index - 1) if index else ("slug",)))
                self._faults.append(f"{where}: {slug!r} is claimed by report {holder.report!r} already; choose another")

    def catalogue(self) -> Catalogue:
        """The finished value."""
        return Catalogue(
            reports=MappingProxyType(self._reports),
            publications=MappingProxyType(self._publications),
            slugs=MappingProxyType(self._slugs),
        )


def _report_folders(folders: tuple[Path, ...], faults: list[str]) -> Iterator[Path]:
    for folder in folders:
        if not folder.is_dir():
            faults.append(f"{folder}:1: no such folder; make it, or take it out of the settings")
            continue
        for path in sorted(folder.iterdir()):
            if path.is_dir() and not _is_ignored(path):
                yield path


def _wire_files(folder: Path, intermediate_tables: Collection[Path], faults: list[str]) -> Iterator[Path]:
    """The wire files of a report; another ``.toml`` or ``.sql`` is refused as a misspelling."""
    for path in sorted(folder.iterdir()):
        if path.name in {"report.toml", "query.sql"} or path.suffix not in {".toml", ".sql"} or _is_ignored(path):
            continue
        if path in intermediate_tables:
            continue
        dialect = dialect_of(path)
        if path.name == f"wire.{dialect}.toml" and NAME.fullmatch(dialect):
            yield path
        else:
            faults.append(f"{path}:1: no file of a report; rename it to wire.<dialect>.toml, or remove it")


def _is_ignored(path: Path) -> bool:
    return path.name.startswith(".") or path.name in _IGNORED
