"""CSV with any options and any text: every reader that knows the options reads the same rows."""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, get_args

import duckdb
import hypothesis
import pytest
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn
from pydantic import ValidationError

from offtake.catalogue.macros import MACROS
from offtake.engine import wide_rows
from offtake.engine.duckdb import Session
from offtake.formats import partition_file
from offtake.formats.csv import CSV, CsvCounter
from offtake.model.format_options import CsvOptions
from offtake.model.layout import Framing
from offtake.sql_text import quote_literal
from tests.property.exporting import limits
from tests.property.oracles.shapes import csv_cell
from tests.property.tables import Table, staged
from tests.strategies import decimals, integers, texts

NULL_WORDS = ("", "NULL", "NA", "\\N", "-", "#", "(none)", "ž")
HEADERS = ("id", "a b", "a;b,c", "it's", 'the "name"', "NULL", "")
_BOM = "\ufeff"


def _choices(name: str) -> st.SearchStrategy[Any]:
    return st.sampled_from(get_args(CsvOptions.model_fields[name].annotation))


@st.composite
def _options(draw: DrawFn) -> CsvOptions:
    return CsvOptions(
        delimiter=draw(_choices("delimiter")),
        quote=draw(_choices("quote")),
        header=draw(st.booleans()),
        bom=draw(st.booleans()),
        null=draw(st.sampled_from(NULL_WORDS)),
        line_end=draw(_choices("line_end")),
    )


# Every character that some option gives a meaning, and the words for null.
_NASTY = st.lists(st.sampled_from((*",;\t|:^~\"'\r\n #\\-", *NULL_WORDS, "a")), max_size=6).map("".join)
_KINDS: dict[str, st.SearchStrategy[Any]] = {
    "VARCHAR": _NASTY | texts(),
    "BIGINT": integers(),
    "DOUBLE": decimals(),
    "BOOLEAN": st.booleans(),
}


@st.composite
def _tables(draw: DrawFn) -> Table:
    types = ("VARCHAR", *(draw(st.sampled_from(sorted(_KINDS))) for _ in range(draw(st.integers(1, 3)))))
    rows = draw(st.lists(st.tuples(*(st.none() | _KINDS[sql_type] for sql_type in types)), max_size=6))
    headers = draw(
        st.lists(st.sampled_from(HEADERS).filter(bool), min_size=len(types), max_size=len(types), unique=True)
    )
    return Table(names=tuple(headers), types=types, rows=tuple(rows))


@pytest.fixture(scope="module")
def sessions(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Session, Session]]:
    """A session that writes a file at once, and one that writes it in two partitions."""
    path = tmp_path_factory.mktemp("csv") / "staged"
    writable = (path, partition_file(path))
    with (
        Session(limits(path.parent), [], tenant="acme", writable=writable) as whole,
        Session(limits(path.parent), [], tenant="acme", writable=writable, partitions=2) as divided,
    ):
        divided.define(MACROS)
        yield whole, divided


@hypothesis.settings(max_examples=60, deadline=None, suppress_health_check=list(hypothesis.HealthCheck))
@hypothesis.given(table=_tables(), options=_options(), longest=st.integers(0, 60))
def test_csv_with_any_options_reads_back(
    sessions: tuple[Session, Session], table: Table, options: CsvOptions, longest: int
) -> None:
    """Whichever rows count as wide, and in how many partitions the file is written."""
    first_texts = [] if options.header or options.bom else [row[0] for row in table.rows]
    hypothesis.assume(not any(str(text).startswith(_BOM) for text in first_texts))  # as the page on formats says
    (whole, divided), framing = sessions, Framing(csv=options)
    path, query = staged(whole), table.query(empty_text_is_null=False)
    of_partition = replace(query, sql=f"{query.sql} WHERE in_partition(c0)")
    assert CSV.write(divided, of_partition, path, framing=framing) == len(table.rows)
    in_partitions = path.read_bytes()
    assert CSV.write(whole, query, path, framing=framing) == len(table.rows)
    data = path.read_bytes()
    for each in (data, in_partitions):
        counter = CsvCounter(options)
        counter.feed(each)
        assert counter.records() == len(table.rows)
        assert sorted(_read_by_python(each, options)) == sorted(_texts(table, options))
    assert sorted(map(repr, _read_by_duckdb(data, table, options))) == sorted(map(repr, table.rows))
    for writer in CSV.write_wide:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(wide_rows, "longest_row", lambda *_, **__: longest)
            assert writer(whole, query, path, framing=framing) == len(table.rows)
        assert path.read_bytes() == data


def _texts(table: Table, options: CsvOptions) -> list[list[str]]:
    rows = [[options.null if value is None else csv_cell(value) for value in row] for row in table.rows]
    return [[*table.names], *rows] if options.header else rows


def _read_by_python(data: bytes, options: CsvOptions) -> list[list[str]]:
    text = data.decode()
    assert text.startswith(_BOM) or not options.bom
    text = text.removeprefix(_BOM) if options.bom else text
    lines = text.count(options.line_end)
    assert lines or not text
    return list(
        csv.reader(io.StringIO(text, newline=""), delimiter=options.delimiter, quotechar=options.quote, strict=True)
    )


def _read_by_duckdb(data: bytes, table: Table, options: CsvOptions) -> list[tuple[Any, ...]]:
    """Null and a text that equals its word are distinguished by the quotes."""
    columns = ", ".join(f"'c{n}': '{sql_type}'" for n, sql_type in enumerate(table.types))
    options_sql = (
        f"columns = {{{columns}}}, header = {options.header}, delim = {quote_literal(options.delimiter)}, "
        f"quote = {quote_literal(options.quote)}, escape = {quote_literal(options.quote)}, comment = '', "
        f"nullstr = {quote_literal(options.null)}, allow_quoted_nulls = false, auto_detect = false, "
        f"new_line = {quote_literal(options.line_end.encode('unicode_escape').decode())}"
    )
    with tempfile.NamedTemporaryFile(suffix=".csv") as file, duckdb.connect() as connection:
        file.write(data)
        file.flush()
        return connection.execute(f"SELECT * FROM read_csv($path, {options_sql})", {"path": file.name}).fetchall()


@pytest.mark.parametrize(
    ("given", "field", "said"),
    [
        ({"delimeter": ";"}, ("delimeter",), "Extra inputs are not permitted"),
        ({"delimiter": "x"}, ("delimiter",), "Input should be ',', ';'"),
        ({"quote": ""}, ("quote",), "Input should be"),
        ({"header": "yes"}, ("header",), "valid boolean"),
        ({"line_end": "\r"}, ("line_end",), "Input should be"),
        ({"null": "n0"}, ("null",), "'n0' may also be the value of a column; it must be a text"),
        ({"null": "TRUE"}, ("null",), "'TRUE' may also be the value of a column"),
        ({"null": "a\nb"}, ("null",), "must be a text of at most 16 printable characters"),
        ({"null": 5}, ("null",), "valid string"),
        ({"decimal_mark": ","}, (), "decimal_mark and delimiter are both ','; choose another delimiter"),
        ({"delimiter": "|", "null": "a|b"}, (), "null contains the delimiter '|'; choose another word"),
    ],
)
def test_an_option_that_is_not_accepted_is_named(given: dict[str, Any], field: tuple[str, ...], said: str) -> None:
    """The native API says what would be accepted (``wire/native/validation.py``)."""
    with pytest.raises(ValidationError) as caught:
        CsvOptions(**given)
    (fault,) = caught.value.errors()
    assert fault["loc"] == field
    assert said in fault["msg"]
