"""The export pipeline without a server: load, snapshot, plan, engine and format, and reading the files back."""

from __future__ import annotations

import csv
import io
import json
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

from offtake.catalogue import BUILT_IN
from offtake.catalogue.load import Catalogue, load_catalogue
from offtake.core.presentation import choose
from offtake.core.query import filters, intermediate
from offtake.engine.duckdb import Session
from offtake.engine.locked_database import Limits
from offtake.engine.plan import plan, plan_rows, with_instants
from offtake.formats import format_named, partition_file
from offtake.lake.delta import Lake
from offtake.lake.ingest.load import load
from offtake.lake.storage import FolderTableStorage
from offtake.lake.tables import tables
from offtake.model.layout import DEFAULT_PATTERN, ColumnLayout
from offtake.model.report import Publication, reads_buckets
from offtake.model.request import ExportRequest, ReportParameters
from offtake.model.timespan import Timespan
from offtake.wire.presentations import PRESENTATIONS
from offtake.wire.talkdesk.presentation import presentation
from offtake.wire.talkdesk.settings import TalkdeskSettings
from tests.fixtures.storage_paths import views_of
from tests.strategies import Care, Row

EPOCH = datetime.fromisoformat("1970-01-01T00:00:00Z")


@lru_cache(maxsize=1)
def catalogue() -> Catalogue:
    """The built-in reports."""
    return load_catalogue(
        BUILT_IN,
        tables={name: dict(table.stored_columns) for name, table in tables().items()},
        dialects=list(PRESENTATIONS),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A lake with the data of some tenants."""

    lake: Lake
    folder: Path

    @contextmanager
    def export(
        self,
        report: str,
        care: Care,
        timespan: Timespan,
        *,
        as_of: datetime | None = None,
        dialect: str = "talkdesk",
        parameters: ReportParameters = ReportParameters(),  # noqa: B008 - frozen
        partitions: int = 1,
        threads: int = 1,
        by_buckets: bool = True,
    ) -> Iterator[Export]:
        """An export of a report for one tenant, with an open session. Partitions have fixed join sides, as attempts.

        Without ``by_buckets``, partitions are those of a lake with files of earlier releases.
        """
        request = ExportRequest(
            dialect=dialect,
            report=report,
            format="json",
            timespan=timespan,
            name="any",
            as_of=as_of,
            account_zone=care.zone,
            parameters=parameters,
        )
        known = catalogue().reports[report]
        uses = (*known.tables, *filters.tables(known))
        views = views_of(self.lake, uses, tenant=care.tenant, timespan=timespan)
        file = self.folder / "export"
        own = replace(limits(self.folder), threads=threads, fixed_join_sides=partitions > 1)
        with Session(
            own,
            views,
            tenant=care.tenant,
            writable=(file, partition_file(file)),
            partitions=partitions,
            by_buckets=by_buckets and reads_buckets(known, views),
        ) as session:
            request = filters.prepare(session, known, request)
            intermediate.create_tables(session, known, request)
            yield Export(session=session, request=request, file=file)


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """An open export: the rows of the report, and the file of a dialect."""

    session: Session
    request: ExportRequest
    file: Path

    @property
    def key(self) -> tuple[str, ...]:
        """The columns that distinguish the rows of the report."""
        return catalogue().reports[self.request.report].key

    @property
    def shown_key(self) -> tuple[str, ...]:
        """The names of these columns in the dialect."""
        return tuple(column.name for column in self._publication().columns if column.source in self.key)

    def rows(self) -> list[Row]:
        """The rows of the report, instants in the form of ``microseconds``."""
        report = catalogue().reports[self.request.report]
        query = with_instants(plan_rows(report, self.request), report, _as_microseconds)
        return [
            row for partition in range(self.session.partitions) for row in self.session.rows(query, partition=partition)
        ]

    def shown(self, *, format_name: str = "json", instant_pattern: str = DEFAULT_PATTERN) -> list[Row]:
        """The rows as the dialect shows them, under their wire names."""
        chosen = choose(self._publication(), self.request.columns, format_name)
        headers = tuple(column.name for column in chosen.columns)
        shown = ColumnLayout(columns=chosen.columns, headers=headers, instant_pattern=instant_pattern)
        report = catalogue().reports[self.request.report]
        return self.session.rows(plan(report, shown, self.request))

    def json(self, **settings: Any) -> Any:
        """The document of the JSON file."""
        return json.loads(self._write("json", settings))

    def csv(self, **settings: Any) -> list[list[str]]:
        """The cells of the CSV file, header first."""
        return list(csv.reader(io.StringIO(self._write("csv", settings), newline=""), strict=True))

    def _write(self, name: str, settings: Mapping[str, Any]) -> str:
        """Write the file and count its records as an export does; returns the text."""
        file_format = format_named(name)
        layout = presentation(TalkdeskSettings(**settings))(
            choose(self._publication(), (), name), replace(self.request, format=name)
        )
        query = plan(
            catalogue().reports[self.request.report],
            layout.shown,
            self.request,
            empty_text_is_null=file_format.empty_text_is_null,
        )
        written = file_format.write(self.session, query, self.file, framing=layout.framing)
        counter = file_format.counter(layout.framing, self.file)
        counter.feed(self.file.read_bytes())
        assert written == counter.records()
        return self.file.read_bytes().decode()

    def _publication(self) -> Publication:
        found = catalogue().publication(self.request.dialect, self.request.report)
        assert found is not None
        return found


def limits(folder: Path) -> Limits:
    """Limits for a small export."""
    return Limits(threads=1, memory_mb=256, temp_folder=folder / "temp", temp_mb=64)


@contextmanager
def stored(cares: tuple[Care, ...]) -> Iterator[Stored]:
    """Load all rows into a new lake with the loader; a table without rows is not loaded."""
    with tempfile.TemporaryDirectory(prefix="offtake-property-") as name, ThreadPoolExecutor(4) as pool:
        here = Stored(lake=Lake(FolderTableStorage(Path(name) / "lake")), folder=Path(name))
        for care in cares:
            # Tables are independent, so their loads may overlap.
            list(pool.map(lambda item, tenant=care.tenant: _load(here, tenant, *item), care.rows.items()))
        yield here


def _load(here: Stored, tenant: str, table: str, rows: tuple[Row, ...]) -> None:
    if not rows:
        return
    path = here.folder / f"{tenant}-{table}.ndjson"
    path.write_text("".join(_line(number, row) for number, row in enumerate(rows)), encoding="utf-8")
    counts = load(here.lake, tables()[table], [path], tenant=tenant)
    assert (counts.read, counts.inserted) == (len(rows), len(rows))


def _line(number: int, row: Row) -> str:
    """Every second row omits its nulls and does not escape text beyond ASCII; both spellings mean the same."""
    sparse = number % 2 == 1
    shown = {name: _json_value(value) for name, value in row.items() if not (sparse and value is None)}
    return json.dumps(shown, ensure_ascii=sparse) + "\n"


def _json_value(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else value


def _as_microseconds(instant: str) -> str:
    return f"epoch_us({instant})"


def microseconds(rows: list[Row]) -> list[Row]:
    """Rows with every instant as microseconds since 1970."""
    return [{name: _microseconds(value) for name, value in row.items()} for row in rows]


def without_noise(rows: list[Row]) -> list[Row]:
    """Rows with every decimal as files show it: of a number with at most 12 digits, only these."""
    return [{name: _without_noise(value) for name, value in row.items()} for row in rows]


def _without_noise(value: object) -> object:
    if isinstance(value, float) and float(f"{value:.15g}") == float(f"{value:.12g}"):
        return float(f"{value:.12g}")
    return value


def _microseconds(value: object) -> object:
    return (value - EPOCH) // timedelta(microseconds=1) if isinstance(value, datetime) else value
