"""Readers: the columns and rows of a file, without any table."""

from __future__ import annotations

from pathlib import Path

from offtake.lake.ingest.chunks import TextChunk
from offtake.lake.ingest.inputs.input_file import local_input
from offtake.lake.ingest.readers import open_source
from offtake.lake.ingest.readers.source import ReaderOptions, SourceKind, Wanted
from offtake.lake.staging import staging
from tests.unit.lake.stored import written


def _read(
    path: Path, columns: list[str], options: ReaderOptions | None = None
) -> tuple[tuple[str, ...] | None, list[object]]:
    """Return the names of a file's columns and the text of these columns in each row."""
    with (
        staging(path.parent / "staging") as area,
        open_source(area, local_input(path), options or ReaderOptions()) as source,
    ):
        values = [source.column(name) for name in columns]
        assert all(values)
        rows = source.rows(Wanted(columns=columns))
        found: list[object] = []
        for chunk in rows.chunks():
            assert isinstance(chunk, TextChunk)
            area.path("chunk").write_bytes(chunk.content)
            sql = f"SELECT {', '.join(each.sql for each in values if each)} FROM ({rows.relation})"
            found += area.connection.execute(sql, {"path": area.engine_path("chunk"), "size": 1 << 20}).fetchall()
        return source.names, found


def test_columns_of_a_csv_file_may_have_any_names(tmp_path: Path) -> None:
    path = written(tmp_path / "rows.csv", b'Id,id,"a ""b""",,Id\n1,2,3,4,5\n')
    assert _read(path, ["Id", "id", 'a "b"', ""]) == (("Id", "id", 'a "b"', "", "Id"), [("1", "2", "3", "4")])


def test_delimiter_quote_and_header_are_options(tmp_path: Path) -> None:
    path = written(tmp_path / "rows.csv", b"'x;1';a,b\r\n'it''s';\"c\n\n;\n")
    options = ReaderOptions(delimiter=";", quote="'", header=("one", "two"))
    assert _read(path, ["one", "two"], options) == (("one", "two"), [("x;1", "a,b"), ("it's", '"c'), (None, None)])
    path = written(tmp_path / "rows.tsv", b'one\ttwo\n"a\t5" pipe\n')
    assert _read(path, ["one", "two"], ReaderOptions(quote=""))[1] == [('"a', '5" pipe')]


def test_a_path_reaches_into_nested_objects_and_a_key_with_dots_comes_first(tmp_path: Path) -> None:
    lines = [b'{"a": {"b": {"c": 1}}}', b'{"a.b.c": "x", "a": {"b": {"c": 2}}}']
    lines += [b'{"a.b.c": null, "a": {"b": {"c": 3}}}', b'{"a": 4}']
    path = written(tmp_path / "rows.ndjson", b"\n".join(lines))
    names, rows = _read(path, ["a.b.c", "a"])
    assert names is None
    assert rows == [("1", '{"b":{"c":1}}'), ("x", '{"b":{"c":2}}'), (None, '{"b":{"c":3}}'), (None, "4")]
    with staging(tmp_path / "staging") as area, open_source(area, local_input(path), ReaderOptions()) as source:
        value = source.column("a.b.c")
        assert value is not None
        assert value.kind is SourceKind.JSON
