"""Every format preserves any table, and its counter and the verification report the bytes correctly."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import python_calamine
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from offtake.catalogue.macros import MACROS
from offtake.core.attempt.verification import FileVerification
from offtake.engine import wide_rows
from offtake.engine.duckdb import Session
from offtake.errors import ArtifactMismatch
from offtake.formats import FORMATS, Format, partition_file
from offtake.formats.arrow import ARROW
from offtake.formats.csv import CSV
from offtake.formats.json import JSON, JSON_LINES
from offtake.formats.parquet import PARQUET
from offtake.formats.xlsx import XLSX
from offtake.model.format_options import CsvOptions
from offtake.model.layout import Framing
from offtake.model.query import RowTooWideError
from tests.fixtures.columnar import read_columns
from tests.fixtures.row_comparison import assert_same_rows
from tests.property.exporting import limits
from tests.property.oracles.shapes import csv_cell
from tests.property.tables import Table, Value, names, staged, write
from tests.strategies import decimals, integers, texts

KINDS = {
    "VARCHAR": texts(),
    "BIGINT": integers(),
    "DOUBLE": decimals(),
    "BOOLEAN": st.booleans(),
}
FRAMINGS = (
    Framing(),
    Framing(head='{"type":"calls","version":"v1","entries":[', tail='],"total":', end="}", counted=True),
    Framing(head='{"it\'s":"quoted","entries":[', tail="]", end=',"end":true}'),
    Framing(csv=CsvOptions(line_end="\n"), metadata={"it's": 'a "key"'}),
)


@st.composite
def _tables(draw: DrawFn, kinds: Mapping[str, st.SearchStrategy[Any]] = KINDS) -> Table:
    headers = draw(st.lists(names(), min_size=1, max_size=4, unique_by=str.casefold))
    types = [draw(st.sampled_from(sorted(kinds))) for _ in headers]
    rows = draw(st.lists(st.tuples(*(st.none() | kinds[sql_type] for sql_type in types)), max_size=6))
    return Table(names=tuple(headers), types=tuple(types), rows=tuple(rows))


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """One session for all examples, which may write the staged file only."""
    folder = tmp_path_factory.mktemp("formats")
    with Session(limits(folder), [], tenant="acme", writable=(folder / "staged",)) as opened:
        yield opened


def _written(session: Session, file_format: Format, table: Table, framing: Framing = FRAMINGS[0]) -> bytes:
    """The bytes of the file; also checks the number of rows that the writer returns."""
    path = staged(session)
    query = table.query(empty_text_is_null=file_format.empty_text_is_null)
    assert file_format.write(session, query, path, framing=framing) == len(table.rows)
    return path.read_bytes()


@hypothesis.settings(max_examples=200, deadline=None, suppress_health_check=list(hypothesis.HealthCheck))
@hypothesis.given(table=_tables())
def test_csv_reads_back_as_text(session: Session, table: Table) -> None:
    """Null and empty text are both an empty field; any other value is its text."""
    header, *lines = _csv_lines(_written(session, CSV, table))
    assert header == list(table.names)
    assert sorted(lines) == sorted([csv_cell(value) for value in row] for row in table.rows)


def _csv_lines(data: bytes) -> list[list[str]]:
    lines = csv.reader(io.StringIO(data.decode(), newline=""), strict=True)
    return [line or [""] for line in lines]  # csv.reader reads a line with one empty field as no field


@hypothesis.settings(max_examples=200, deadline=None, suppress_health_check=list(hypothesis.HealthCheck))
@hypothesis.given(table=_tables(), framing=st.sampled_from(FRAMINGS))
def test_json_reads_back_equal_in_its_framing(session: Session, table: Table, framing: Framing) -> None:
    document = json.loads(_written(session, JSON, table, framing))
    rows = document if isinstance(document, list) else document.pop("entries")
    assert_same_rows(rows, _objects(table))
    if framing.counted:
        assert document == {"type": "calls", "version": "v1", "total": len(table.rows)}


@hypothesis.settings(max_examples=200, deadline=None, suppress_health_check=list(hypothesis.HealthCheck))
@hypothesis.given(table=_tables())
def test_json_lines_read_back_equal(session: Session, table: Table) -> None:
    lines = _written(session, JSON_LINES, table).decode().split("\n")
    assert lines.pop() == ""
    assert_same_rows([json.loads(line) for line in lines], _objects(table))


def _objects(table: Table) -> list[dict[str, Value]]:
    return [dict(zip(table.names, row, strict=True)) for row in table.rows]


def _count(file_format: Format, chunks: Sequence[bytes], path: Path, framing: Framing = FRAMINGS[0]) -> int:
    """Count the records of the file at ``path``, whose bytes are given in chunks."""
    counter = file_format.counter(framing, path)
    for chunk in chunks:
        counter.feed(chunk)
    return counter.records()


@pytest.fixture(scope="module", params=(2, 5))
def in_partitions(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """A session that writes files in several partitions."""
    staged = tmp_path_factory.mktemp("partitions") / "staged"
    with Session(
        limits(staged.parent), [], tenant="acme", writable=(staged, partition_file(staged)), partitions=request.param
    ) as opened:
        opened.define(MACROS)
        yield opened


@pytest.mark.parametrize("file_format", FORMATS, ids=lambda file_format: file_format.name)
@hypothesis.settings(max_examples=40, deadline=None, suppress_health_check=list(hypothesis.HealthCheck))
@hypothesis.given(table=_tables(), framing=st.sampled_from(FRAMINGS))
def test_a_file_written_in_partitions_equals_one_written_at_once(
    session: Session, in_partitions: Session, file_format: Format, table: Table, framing: Framing
) -> None:
    """The order of rows may differ; no temporary file is left."""
    path = staged(in_partitions)
    query = table.query(empty_text_is_null=file_format.empty_text_is_null)
    divided = replace(query, sql=f"{query.sql} WHERE in_partition(c0)")
    assert file_format.write(in_partitions, divided, path, framing=framing) == len(table.rows)
    made = path.read_bytes()
    assert _count(file_format, [made], path, framing) == len(table.rows)
    assert _records(file_format, made) == _records(file_format, _written(session, file_format, table, framing))
    assert not partition_file(path).exists()


def _records(file_format: Format, data: bytes) -> tuple[bytes, list[Any], bytes]:
    """The bytes before the rows, the sorted rows, and the bytes after them."""
    if file_format is CSV:
        header, *cells = _csv_lines(data)
        return repr(header).encode(), sorted(cells), b""
    if file_format in (PARQUET, ARROW):
        columns = read_columns(file_format.name, data)
        return repr(columns.schema).encode(), sorted(map(repr, columns.to_pylist())), b""
    if file_format is XLSX:
        book = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(data))
        titles, *rows_of_sheet = book.get_sheet_by_name("Export").to_python(skip_empty_area=False)
        return (
            repr(titles).encode(),
            sorted(repr(row) for row in rows_of_sheet if any(cell != "" for cell in row)),  # calamine drops empty rows
            repr(book.get_sheet_by_name("About").to_python()).encode(),
        )
    lines = data.split(b"\n")
    if file_format is JSON_LINES:
        return b"", sorted(lines), b""
    *rows, tail, end = lines[1:]
    return lines[0], sorted(row.removesuffix(b",") for row in rows), tail + end


_WIDE_KINDS = {**KINDS, "VARCHAR[]": st.lists(st.none() | texts(), max_size=3)}


@pytest.mark.parametrize("file_format", FORMATS, ids=lambda file_format: file_format.name)
@hypothesis.settings(max_examples=40, deadline=None, suppress_health_check=list(hypothesis.HealthCheck))
@hypothesis.given(table=_tables(_WIDE_KINDS), framing=st.sampled_from(FRAMINGS), longest=st.integers(0, 400))
def test_every_writer_of_a_format_writes_the_same_file(
    session: Session, file_format: Format, table: Table, framing: Framing, longest: int
) -> None:
    """Whichever rows count as wide: with ``longest`` bytes, the engine encodes none, some or all of them."""
    path, query = staged(session), table.query(empty_text_is_null=file_format.empty_text_is_null)
    assert file_format.write(session, query, path, framing=framing) == len(table.rows)
    expected = path.read_bytes()
    for writer in file_format.write_wide:
        path.unlink()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(wide_rows, "longest_row", lambda *_, **__: longest)
            assert writer(session, query, path, framing=framing) == len(table.rows)
        if file_format in (XLSX, PARQUET, ARROW):
            assert _records(file_format, path.read_bytes()) == _records(file_format, expected)
        else:
            assert path.read_bytes() == expected


@pytest.mark.parametrize("file_format", FORMATS, ids=lambda file_format: file_format.name)
@pytest.mark.parametrize("as_list", [False, True], ids=["text", "list"])
def test_a_row_wider_than_a_writer_accepts_is_refused_before_its_vector_is_encoded(
    session: Session, file_format: Format, as_list: bool
) -> None:
    text = "wide" * 10_000
    table = Table(
        names=("a", "b"),
        types=("BIGINT", "VARCHAR[]" if as_list else "VARCHAR"),
        rows=((1, [text] if as_list else text),),
    )
    query = table.query(empty_text_is_null=file_format.empty_text_is_null)
    with pytest.raises(RowTooWideError):
        file_format.write(session, query, staged(session), framing=FRAMINGS[0])
    assert write(file_format, session, query, staged(session), FRAMINGS[0]) == 1


@st.composite
def _pieces(draw: DrawFn, data: bytes) -> list[bytes]:
    """The bytes cut at any positions, with empty pieces."""
    cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=8)))
    return [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]


@pytest.mark.parametrize("file_format", FORMATS, ids=lambda file_format: file_format.name)
@hypothesis.settings(max_examples=60, deadline=None, suppress_health_check=list(hypothesis.HealthCheck))
@hypothesis.given(table=_tables(), framing=st.sampled_from(FRAMINGS), data=st.data())
def test_a_counter_counts_the_rows_for_any_division_of_the_bytes(
    session: Session, file_format: Format, table: Table, framing: Framing, data: st.DataObject
) -> None:
    written = data.draw(_pieces(_written(session, file_format, table, framing)))
    assert _count(file_format, written, staged(session), framing) == len(table.rows)


@pytest.mark.parametrize("file_format", FORMATS, ids=lambda file_format: file_format.name)
@hypothesis.settings(max_examples=60, deadline=None, suppress_health_check=list(hypothesis.HealthCheck))
@hypothesis.given(table=_tables(), framing=st.sampled_from(FRAMINGS))
def test_a_file_truncated_anywhere_never_counts_as_complete(
    session: Session, file_format: Format, table: Table, framing: Framing
) -> None:
    """The counter refuses the file or counts fewer rows than the query had: either way nothing is published.

    Lines alone have no end that is known; lines cut at a line end count as fewer."""
    written = _written(session, file_format, table, framing)
    counter = file_format.counter(framing, staged(session))
    for end in range(len(written)):
        try:
            counted = counter.records()
        except ValueError:
            pass
        else:
            assert file_format not in (JSON, XLSX, PARQUET, ARROW), written[:end]
            assert counted < len(table.rows), written[:end]
        assert counter.seen() <= len(table.rows), written[:end]
        counter.feed(written[end : end + 1])
    assert counter.records() == len(table.rows)


def test_an_array_without_its_end_is_refused() -> None:
    """A writer without the options of the framing would write such a file."""
    for data in (b'{"entries":[\n{"a":1}\n', b'{"entries":[\n{"a":1}1}\n', b'{"entries":[\n', b"1}\n"):
        with pytest.raises(ValueError, match="last line"):
            _count(JSON, [data], Path())


@st.composite
def _writes(draw: DrawFn) -> list[tuple[int, bytes]]:
    """Blocks of a file with their offsets, in the order of writing: often that of the file, but also any other."""
    blocks = draw(
        st.lists(st.binary(min_size=1, max_size=2000) | st.sampled_from((b"\n", b"row\n", b"\0")), max_size=8)
    )
    offsets = [sum(map(len, blocks[:number])) for number in range(len(blocks))]
    writes = list(zip(offsets, blocks, strict=True))
    return draw(st.just(writes) | st.permutations(writes))


@hypothesis.settings(max_examples=100, deadline=None, suppress_health_check=list(hypothesis.HealthCheck))
@hypothesis.given(writes=_writes(), waiting=st.booleans())
def test_the_verification_of_a_growing_file_reads_the_bytes_on_the_disk(
    writes: list[tuple[int, bytes]], waiting: bool
) -> None:
    with _growing() as path:
        counter = _Collector()
        with FileVerification(path, counter) as verification:
            with path.open("wb", buffering=0) as file:
                for offset, block in writes:
                    os.pwrite(file.fileno(), block, offset)
                    if waiting:  # until the follower has read up to the first hole or zero byte
                        counter.wait_for(len(path.read_bytes().partition(b"\0")[0]))
            stats = verification.finish()
        whole = path.read_bytes()
    assert counter.whole == whole == b"".join(block for _, block in sorted(writes))
    assert (stats.bytes, stats.sha256) == (len(whole), hashlib.sha256(whole).hexdigest())
    assert stats.rows == whole.count(b"\n")


def test_the_verification_of_a_file_written_in_order_does_not_wait_at_zero_bytes() -> None:
    """Zero bytes are data and not holes: the follower reads them before the writer finishes."""
    with _growing() as path:
        counter = _Collector()
        with FileVerification(path, counter, in_order=True) as verification:
            with path.open("wb", buffering=0) as file:
                for block in (b"\0", b"a\0\0b\n", b"\0\n"):
                    file.write(block)
                    counter.wait_for(file.tell())
            assert verification.finish().rows == 2


@contextmanager
def _growing() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="offtake-property-") as folder:
        yield Path(folder) / "growing"


class _Collector:
    """A counter that keeps the bytes it received and lets a writer wait for them."""

    def __init__(self) -> None:
        self.whole = b""
        self._grown = threading.Condition()

    def feed(self, chunk: bytes) -> None:
        with self._grown:
            self.whole += chunk
            self._grown.notify_all()

    def seen(self) -> int:
        return self.records()

    def records(self) -> int:
        return self.whole.count(b"\n")

    def wait_for(self, size: int) -> None:
        with self._grown:
            assert self._grown.wait_for(lambda: len(self.whole) >= size, timeout=60)


@pytest.mark.parametrize("file_format", FORMATS, ids=lambda file_format: file_format.name)
@hypothesis.settings(max_examples=40, deadline=None, suppress_health_check=list(hypothesis.HealthCheck))
@hypothesis.given(table=_tables(), data=st.data())
def test_a_verification_counts_or_refuses(
    session: Session, file_format: Format, table: Table, data: st.DataObject
) -> None:
    written = _written(session, file_format, table)
    cut = data.draw(st.just(len(written)) | st.integers(0, len(written)))
    with (
        _growing() as path,
        FileVerification(path, file_format.counter(FRAMINGS[0], path), in_order=file_format.in_order) as verification,
    ):
        path.write_bytes(written[:cut])
        rows = _rows_or_none(verification)
    assert rows == len(table.rows) if cut == len(written) else rows is None or rows < len(table.rows)


def _rows_or_none(verification: FileVerification) -> int | None:
    try:
        return verification.finish().rows
    except ArtifactMismatch:
        return None
