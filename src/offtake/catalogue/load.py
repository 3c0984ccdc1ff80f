"""Reads report folders into one ``Catalogue`` and checks the reports against each other.

A faulty folder stops the load: clients must not export from a report that is wrong, and an operator watches the start.
The other modules check each file; this module finds conflicts between folders.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from offtake.catalogue import BUILT_IN
from offtake.catalogue.folder import COUNT_FILE, NAME, SHARED, Tables, intermediate_file, read_report
from offtake.catalogue.publication import NATIVE, default_publication, dialect_of, read_publication
from offtake.catalogue.query import QueryCheck
from offtake.catalogue.version import report_version
from offtake.errors import CatalogueError
from offtake.model.report import Publication, Report
from offtake.tomlfile import read_toml

_IGNORED = frozenset({"__pycache__", SHARED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """All reports and their publications in the dialects."""

    reports: Mapping[str, Report]
    publications: Mapping[tuple[str, str], Publication]  # by dialect and report
    slugs: Mapping[tuple[str, str], Publication]  # by dialect and slug, aliases included

    def publication(self, dialect: str, report: str) -> Publication | None:
        """Return the publication of a report in a dialect, or None if the dialect does not publish it."""
        return self.publications.get((dialect, report))

    def by_slug(self, dialect: str, slug: str) -> Publication | None:
        """Return the publication that has the slug or alias in a dialect, or None."""
        return self.slugs.get((dialect, slug))


def load_catalogue(*folders: Path, tables: Tables, dialects: Collection[str]) -> Catalogue:
    """Load every report under ``folders``.

    ``tables`` maps each table of the lake to its columns and their DuckDB types, and ``dialects`` are the names of the
    dialects: the catalogue depends on neither. Raises CatalogueError with one line ``file:line: fault`` for each fault.
    """
    faults: list[str] = []
    builder = _CatalogueBuilder(faults)
    with QueryCheck(tables, faults) as check:
        for folder in _report_folders(folders, faults):
            report = read_report(folder, tables, faults)
            if report is None:
                continue
            intermediate_tables = [
                intermediate_file(folder, intermediate.name) for intermediate in report.intermediate_tables
            ]
            report = check.check(report, folder / "query.sql", intermediate_tables)
            if folder.is_relative_to(BUILT_IN):
                report = replace(report, reads_buckets=report.partition_by is not None)
            builder.add_report(report, folder)
            for path in _wire_files(folder, intermediate_tables, dialects, faults):
                publication = read_publication(path, report, faults)
                if publication is not None:
                    builder.add_publication(publication, path)
            if NATIVE in dialects:
                builder.add_default_publication(report, folder)
    if faults:
        raise CatalogueError("\n".join(faults))
    return builder.catalogue()


class _CatalogueBuilder:
    """Collects reports and publications with their files, so that a fault can name both sides of a conflict."""

    def __init__(self, faults: list[str]) -> None:
        self._faults = faults
        self._reports: dict[str, Report] = {}
        self._publications: dict[tuple[str, str], Publication] = {}
        self._slugs: dict[tuple[str, str], Publication] = {}
        self._folders: dict[str, Path] = {}

    def add_report(self, report: Report, folder: Path) -> None:
        """Add a report, or a fault if another folder has its name."""
        if report.name in self._reports:
            other = self._folders[report.name]
            self._faults.append(f"{folder / 'report.toml'}:1: the report {other} has the same name; rename this folder")
            return
        self._reports[report.name] = replace(report, version=report_version(report))
        self._folders[report.name] = folder

    def add_publication(self, publication: Publication, path: Path) -> None:
        """Add a publication, or a fault if another publication of its dialect has its slug or one of its aliases."""
        self._publications[publication.dialect, publication.report] = publication
        for index, slug in enumerate((publication.slug, *publication.aliases)):
            holder = self._slugs.setdefault((publication.dialect, slug), publication)
            if holder is not publication or slug in (publication.slug, *publication.aliases)[:index]:
                where = read_toml(path).where(*(("aliases", index - 1) if index else ("slug",)))
                self._faults.append(f"{where}: report {holder.report!r} already uses the slug {slug!r}; choose another")

    def add_default_publication(self, report: Report, folder: Path) -> None:
        """Add the publication of a report in the product's own dialect, unless its folder has a file for it."""
        if not (folder / f"wire.{NATIVE}.toml").is_file():
            self.add_publication(default_publication(report), folder / "report.toml")

    def catalogue(self) -> Catalogue:
        """Return the catalogue of everything that was added."""
        return Catalogue(
            reports=MappingProxyType(self._reports),
            publications=MappingProxyType(self._publications),
            slugs=MappingProxyType(self._slugs),
        )


def _report_folders(folders: tuple[Path, ...], faults: list[str]) -> Iterator[Path]:
    for folder in folders:
        if not folder.is_dir():
            faults.append(f"{folder}:1: no such folder; create it, or remove it from the settings")
            continue
        yield from report_folders(folder)


def report_folders(folder: Path) -> list[Path]:
    """Return the folders of the reports in a folder of reports, in order."""
    return [path for path in sorted(folder.iterdir()) if path.is_dir() and not _is_ignored(path)]


def _wire_files(
    folder: Path, intermediate_tables: Collection[Path], dialects: Collection[str], faults: list[str]
) -> Iterator[Path]:
    """Yield the wire files of a report. Another ``.toml`` or ``.sql`` is a fault: probably a misspelt name."""
    for path in sorted(folder.iterdir()):
        if (
            path.name in {"report.toml", "query.sql", COUNT_FILE}
            or path.suffix not in {".toml", ".sql"}
            or _is_ignored(path)
        ):
            continue
        if path in intermediate_tables:
            continue
        dialect = dialect_of(path)
        if path.name == f"wire.{dialect}.toml" and dialect in dialects:
            yield path
        elif path.name == f"wire.{dialect}.toml" and NAME.fullmatch(dialect):
            names = ", ".join(f"wire.{name}.toml" for name in dialects)
            faults.append(f"{path}:1: there is no dialect {dialect!r}; rename the file to one of {names}, or remove it")
        else:
            faults.append(f"{path}:1: not a file of a report; rename it to wire.<dialect>.toml, or remove it")


def _is_ignored(path: Path) -> bool:
    return path.name.startswith(".") or path.name in _IGNORED
