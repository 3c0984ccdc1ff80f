"""Sources of a load: every format and every kind of input gives the same rows."""

from __future__ import annotations

import gzip
import io
import json
import sqlite3
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pytest
from deltalake import write_deltalake
from pyarrow import parquet
from pyiceberg.catalog.memory import InMemoryCatalog

from offtake.errors import LakeError
from offtake.lake.delta import Lake
from offtake.lake.ingest.expand import InputExpander
from offtake.lake.ingest.load import load
from offtake.lake.ingest.mapping.definition import MappingDefinition
from offtake.lake.ingest.readers.source import ReaderOptions
from offtake.lake.storage import FolderTableStorage
from offtake.objects.bucket import Bucket
from offtake.objects.location import ObjectLocation
from tests.fixtures.databases import fresh_database
from tests.unit.lake.stored import STATE, TEAM, stored, written

AT = datetime(2026, 3, 2, 8, 0, 0, 250_000, tzinfo=UTC)
ROWS: list[dict[str, Any]] = [
    {"agent_id": "7", "started_at": AT, "state": "Zoë 1", "queue_ids": ["q1", "q,2"]},
    {"agent_id": "8", "started_at": AT + timedelta(hours=1), "state": 'say "a"', "queue_ids": None},
]
EXPECTED = {
    (row["agent_id"], row["started_at"].strftime("%Y-%m-%dT%H:%M:%S.%fZ")): (row["state"], row["queue_ids"])
    for row in ROWS
}


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(FolderTableStorage(tmp_path / "lake"))


def _no_bucket(location: ObjectLocation) -> Bucket:
    raise AssertionError(location)


def _load(lake: Lake, *words: object, form: str | None = None, **options: Any) -> list[str]:
    """Load what the words name into agent_state; return what was skipped."""
    found = InputExpander(form=form, bucket=_no_bucket).expand([str(word) for word in words])
    load(lake, STATE, found.inputs, tenant="acme", mapping=MappingDefinition(options=ReaderOptions(**options)))
    return list(found.skipped)


def _states(lake: Lake) -> dict[tuple[object, ...], object]:
    return {key: (row["state"], row["queue_ids"]) for key, row in stored(lake, STATE).items()}


def _texts() -> list[dict[str, str | None]]:
    """The rows as programs write them to text formats."""
    return [
        {
            **row,
            "started_at": row["started_at"].isoformat(),
            "queue_ids": None if row["queue_ids"] is None else json.dumps(row["queue_ids"]),
        }
        for row in ROWS
    ]


def _json(rows: list[dict[str, Any]], indent: int | None = None) -> str:
    return json.dumps([{**row, "started_at": row["started_at"].isoformat()} for row in rows], indent=indent)


def _arrow() -> pa.Table:
    """The rows in types that Parquet or the engine lacks."""
    return pa.table(
        {
            "agent_id": pa.array([7, 8], pa.uint16()),
            "started_at": pa.array([row["started_at"] for row in ROWS], pa.timestamp("ms", "Europe/Berlin")),
            "state": pa.array([row["state"] for row in ROWS], pa.string_view()).dictionary_encode(),
            "queue_ids": pa.array([row["queue_ids"] for row in ROWS], pa.list_view(pa.large_string())),
        }
    )


def _stream(table: pa.Table, new: Callable[..., Any], **options: Any) -> bytes:
    out = io.BytesIO()
    with new(out, table.schema, **options) as writer:
        writer.write_table(table, max_chunksize=1)
    return out.getvalue()


def _workbook(path: Path) -> None:
    workbook = openpyxl.Workbook()
    first, second = workbook.active, workbook.create_sheet("Rows")
    assert first is not None
    first.append(["not", "these"])
    second.append([])
    second.append(["agent_id", "started_at", "state", "queue_ids", None])
    for row in _texts():
        second.append([int(str(row["agent_id"])), row["started_at"], row["state"], row["queue_ids"]])
        second.append([])
    workbook.save(path)


def _iceberg(folder: Path) -> Path:
    catalog = InMemoryCatalog("test", warehouse=folder.as_uri())
    catalog.create_namespace("n")
    instant = pa.timestamp("us", "UTC")
    types = {"agent_id": pa.int64(), "started_at": instant, "state": pa.string(), "queue_ids": pa.list_(pa.string())}
    rows = pa.Table.from_pylist(_arrow().to_pylist(), pa.schema(list(types.items())))
    table = catalog.create_table("n.t", schema=rows.schema)
    table.append(rows.slice(0, 1))
    table.append(rows.slice(1))
    return Path(table.location().removeprefix("file://"))


def test_every_format_gives_the_same_rows(lake: Lake, tmp_path: Path) -> None:
    arrow = _arrow()
    lines = "\n".join(json.dumps(each) for each in json.loads(_json(ROWS)))
    wrapped = f'{{"meta": [{{"data": 1}}], "data": {{"a": "]", "items": {_json(ROWS, 2)}, "next": null}}}}'
    header = "agent_id\tstarted_at\tstate\tqueue_ids\n"
    tabs = header + "".join("\t".join(_quoted(value) for value in row.values()) + "\n" for row in _texts())
    plain = {
        "array.json": _json(ROWS).encode(),
        "pretty.json": _json(ROWS, 4).replace("\n", "\r\n").encode(),
        "lines.json": lines.encode(),
        "marked.json": _json(ROWS).encode("utf-16"),
        "rows.tsv": tabs.encode(),
        "file.arrow": _stream(arrow, pa.ipc.new_file, options=pa.ipc.IpcWriteOptions(compression="zstd")),
        "stream.arrows.gz": gzip.compress(_stream(arrow, pa.ipc.new_stream)),
    }
    for name, content in plain.items():
        _load(lake, written(tmp_path / name, content))
        assert _states(lake) == EXPECTED, name
        lake = Lake(FolderTableStorage(tmp_path / f"lake of {name}"))
    _load(lake, written(tmp_path / "wrapped.json", wrapped), records="data.items")
    assert _states(lake) == EXPECTED
    others: list[tuple[Path, dict[str, Any]]] = [(tmp_path / "book.xlsx", {"sheet": "Rows"}), (tmp_path / "delta", {})]
    _workbook(others[0][0])
    plain_arrow = pa.Table.from_pylist(arrow.to_pylist(), _writable(arrow))
    write_deltalake(others[1][0], plain_arrow, partition_by=["agent_id"])
    others.append((_iceberg(tmp_path / "iceberg"), {}))
    parquet.write_table(plain_arrow, tmp_path / "rows.parquet")
    others.append((written(tmp_path / "rows.parquet.gz", gzip.compress((tmp_path / "rows.parquet").read_bytes())), {}))
    for path, options in others:
        lake = Lake(FolderTableStorage(tmp_path / f"lake of {path.name}"))
        _load(lake, path, **options)
        assert _states(lake) == EXPECTED, path


def _quoted(value: str | None) -> str:
    return "" if value is None else '"' + value.replace('"', '""') + '"'


def _writable(table: pa.Table) -> pa.Schema:
    plain = {"state": pa.string(), "queue_ids": pa.list_(pa.string()), "agent_id": pa.int32()}
    return pa.schema([pa.field(each.name, plain.get(each.name, each.type)) for each in table.schema])


def test_the_rows_of_a_query_are_loaded_from_sqlite_and_postgresql(
    lake: Lake, tmp_path: Path, postgresql: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "calls?.db"
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE t (agent_id, started_at TEXT, state TEXT, queue_ids TEXT)")
        connection.executemany("INSERT INTO t VALUES (?, ?, ?, ?)", [list(row.values()) for row in _texts()])
        connection.execute("UPDATE t SET agent_id = 8 WHERE agent_id = '8'")
    connection.close()
    _load(lake, f"sqlite:{file}", query="SELECT * FROM t")
    assert _states(lake) == EXPECTED
    url = fresh_database(postgresql).replace("+psycopg", "")
    query = (
        "SELECT 7::bigint AS agent_id, TIMESTAMPTZ '2026-03-02 09:00:00.25+01' AS started_at, 'Zoë 1' AS state, "
        "ARRAY['q1', 'q,2'] AS queue_ids UNION ALL SELECT 8, TIMESTAMPTZ '2026-03-02 09:00:00.25+00', 'say \"a\"', NULL"
    )
    monkeypatch.setenv("STATES", url)
    other = Lake(FolderTableStorage(tmp_path / "other"))
    _load(other, "env:STATES", query=query)
    assert _states(other) == EXPECTED
    third = Lake(FolderTableStorage(tmp_path / "third"))
    (tmp_path / "url").write_text(f"{url}\n")
    _load(third, f"url-file:{tmp_path / 'url'}", query=query)
    assert _states(third) == EXPECTED
    for word, fault in (
        (f"url-file:{tmp_path}/none", "the file with the URL cannot be read"),
        (f"sqlite:{file}", "needs a query; give it with --query"),
        (f"sqlite:{tmp_path}/none.db", "file not found"),
        (url, "needs a query"),
    ):
        with pytest.raises(LakeError, match=fault):
            _load(lake, word, **({"query": "SELECT 1"} if "none" in word else {}))
    for word in ("postgresql", "mysql", "mssql"):
        with pytest.raises(LakeError) as caught:
            _load(lake, f"{word}://me:pass%40word@127.0.0.1:1/db", query="SELECT 1")
        assert caught.value.message.startswith(f"{word}://127.0.0.1:1/db: the database refused: ")
        assert "word@" not in caught.value.message.replace("%40", "@")


def test_a_folder_and_an_archive_give_their_files_in_the_order_of_names(lake: Lake, tmp_path: Path) -> None:
    folder = tmp_path / "rows*"
    (folder / "sub").mkdir(parents=True)
    texts = _texts()
    for name, row in (("b.csv", texts[0]), ("a[1].csv", {**texts[0], "state": "earlier"}), ("c.csv", texts[1])):
        header = ",".join(row)
        written(folder / name, f"{header}\n{','.join(_quoted(value) for value in row.values())}\n")
    written(folder / "notes.txt", "no rows")
    written(folder / ".hidden.csv", "no rows")
    assert _load(lake, folder) == [f"{folder}/notes.txt", f"{folder}/sub/"]
    assert _states(lake) == EXPECTED
    archive = tmp_path / "export.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as out:
        for name in ("c.csv", "notes.txt", "b.csv", "a[1].csv"):
            out.write(folder / name, f"2026/{name}")
        out.writestr("2026/d.csv.gz", gzip.compress((folder / "c.csv").read_bytes()))
        out.writestr("__MACOSX/2026/._b.csv", "no rows")
    other = Lake(FolderTableStorage(tmp_path / "other"))
    assert _load(other, archive) == [f"{archive}/2026/notes.txt"]
    assert _states(other) == EXPECTED
    with zipfile.ZipFile(tmp_path / "one.zip", "w") as out:
        out.write(folder / "b.csv", "export")
    assert _load(other, tmp_path / "one.zip", form="csv") == []
    found = InputExpander(form=None, bucket=_no_bucket).expand([], [f"{tmp_path}/rows[*]/[bc].csv"])
    assert [Path(each.name).name for each in found.inputs] == ["b.csv", "c.csv"]
    with pytest.raises(LakeError, match="no file matches"):
        InputExpander(form=None, bucket=_no_bucket).expand([], [f"{tmp_path}/none*"])


def test_standard_input_is_named_in_messages(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    del capsysbinary
    rows = b"team_id,name\na,Zo\xeb\nb,\x80\x81\n"
    for content in (rows[:19], gzip.compress(rows[:19])):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))
        found = InputExpander(form="csv", bucket=_no_bucket).expand(["-"])
        assert (
            load(
                lake,
                TEAM,
                found.inputs,
                tenant="acme",
                mapping=MappingDefinition(options=ReaderOptions(encoding="latin-1")),
            ).read
            == 1
        )
    assert {row["name"] for row in stored(lake, TEAM).values()} == {"Zoë"}
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(rows)))
    with pytest.raises(LakeError, match=r"standard input:3: the bytes 81 are no text in windows-1252"):
        load(
            lake,
            TEAM,
            found.inputs,
            tenant="acme",
            mapping=MappingDefinition(options=ReaderOptions(encoding="windows-1252")),
        )
    with pytest.raises(LakeError, match="standard input: name its format with --format"):
        InputExpander(form=None, bucket=_no_bucket).expand(["-"])


def test_what_cannot_be_loaded_is_named_with_its_remedy(lake: Lake, tmp_path: Path) -> None:
    _workbook(tmp_path / "book.xlsx")
    book = (tmp_path / "book.xlsx").read_bytes()
    arrow = _stream(_arrow(), pa.ipc.new_file)
    faults: list[tuple[str, bytes, dict[str, Any], str]] = [
        ("a.xlsx", book, {}, "has 2 sheets; name one with --sheet: 'Sheet', 'Rows'"),
        ("b.xlsx", book, {"sheet": "rows"}, "there is no sheet 'rows'; the sheets are"),
        ("c.xlsx", book[:-30], {"sheet": "Rows"}, "not a whole XLSX workbook"),
        ("d.xlsx", b"\xd0\xcf\x11\xe0" + bytes(600), {}, "has a password, or the format of Excel 97"),
        ("e.zip", book[:-30], {}, "not a whole ZIP archive"),
        ("f.arrow", arrow[:-30], {}, "not a whole Arrow file"),
        ("g.arrows", _stream(_arrow(), pa.ipc.new_stream)[:-300], {}, "not a whole Arrow file or stream"),
        ("h.json", b'[{"agent_id": "1"},\n', {}, ":2: the file ends within a value; it is cut off"),
        ("i.json", b'[{"agent_id": "1"}\n{"agent_id": "1"}]', {}, ":2: a comma or ] is missing"),
        ("j.json", b'{"a": [1], "b": 1}', {"records": "b"}, ":1: b is not an array"),
        ("k.json", b'{"a": [1], "b": 1}', {"records": "c.d"}, ":1: there is no c"),
        ("l.csv", b"agent_id\n1\n", {"encoding": "utf-16"}, "has no byte order mark; give utf-16-le or utf-16-be"),
        (
            "m.csv",
            "agent_id\n1\n".encode("utf-16"),
            {"encoding": "latin-1"},
            "begins with the byte order mark of UTF-16",
        ),
    ]
    for name, content, options, message in faults:
        with pytest.raises(LakeError) as caught:
            _load(lake, written(tmp_path / name, content), **options)
        assert caught.value.message.startswith(f"{tmp_path / name}")
        assert message in caught.value.message, name
    for word, message in (("ftp://host/x.csv", "such a URL cannot be loaded"), ("env:NONE", "NONE is not set")):
        with pytest.raises(LakeError, match=message):
            _load(lake, word)
    assert stored(lake, STATE) == {}


def test_an_encrypted_member_is_refused(tmp_path: Path) -> None:
    content = bytearray(_zipped({"rows.csv": "a\n"}))
    content[content.rindex(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(LakeError, match=r"rows\.csv is encrypted\. Extract it"):
        InputExpander(form=None, bucket=_no_bucket).expand([str(written(tmp_path / "x.zip", bytes(content)))])


def _zipped(members: dict[str, str]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return out.getvalue()
