"""Rejected rows: reported with their line or written to a file, and always counted."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from offtake.errors import LakeError, LoadRejected, OutputError
from offtake.lake.delta import Lake
from offtake.lake.ingest.counts import LoadCounts
from offtake.lake.ingest.load import load, load_files
from offtake.lake.ingest.max_rejects import MaxRejects, parse_max_rejects
from offtake.lake.ingest.options import LoadOptions
from offtake.lake.storage import FolderTableStorage
from offtake.model.timespan import Timespan
from tests.fixtures.care import call
from tests.unit.lake.stored import AGENT, CALL, STATE, TABLES, TEAM, stored, version, written

GOOD_CALL = call("a", "2026-01-01T00:00:10Z", started_at="2026-01-01T00:00:00Z")


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(FolderTableStorage(tmp_path / "lake"))


def _as_csv(row: dict[str, Any]) -> str:
    def field(value: Any) -> str:
        if value is None:
            return ""
        text = value if isinstance(value, str) else json.dumps(value)
        return '"' + text.replace('"', '""') + '"'

    return ",".join(row) + "\n" + ",".join(map(field, row.values())) + "\n"


TEXT_FAULTS = [
    ("total_seconds", "1.5", "not a whole number"),
    ("total_seconds", "1e3", "not a whole number"),
    ("total_seconds", "ten", "not a whole number"),
    ("total_seconds", " 5", "not a whole number"),
    ("total_seconds", "99999999999999999999", "out of range"),
    ("total_seconds", "-1", "is less than the minimum 0"),
    ("total_seconds", None, "is required"),
    ("decimal_custom_1", "NaN", "not a finite number"),
    ("decimal_custom_1", "Infinity", "not a finite number"),
    ("decimal_custom_1", "1,5", "not a finite number"),
    ("decimal_custom_1", "1e999", "out of range"),
    ("is_transfer", "yes", "not a boolean"),
    ("is_transfer", "1", "not a boolean"),
    ("ended_at", "2026-01-01T00:00:10", "without a UTC offset"),
    ("ended_at", "2026-01-01", "not an instant"),
    ("ended_at", "01/02/2026 10:00", "not an instant"),
    ("ended_at", "2026-01-01T00:00:10.1234567Z", "at most six decimals"),
    ("ended_at", "2026-02-30T00:00:00Z", "not an existing date and time"),
    ("ended_at", "2026-01-01T24:00:00Z", "not an instant"),
    ("ended_at", "2025-12-31T23:59:59.999999Z", "is earlier than started_at"),
    ("kind", "Inbound", "is not one of inbound, outbound"),
    ("queue_ids", "a+b", "not a JSON array"),
    ("queue_ids", '{"a":1}', "not a JSON array"),
    ("queue_ids", '["a",1]', "not a JSON array"),
    ("queue_ids", '["a",null]', "not a JSON array"),
]


@pytest.mark.parametrize(("column", "value", "reason"), TEXT_FAULTS)
def test_csv_values_that_break_the_model(
    lake: Lake, tmp_path: Path, column: str, value: str | None, reason: str
) -> None:
    path = written(tmp_path / "c.csv", _as_csv({**GOOD_CALL, column: value}))
    with pytest.raises(LoadRejected, match=f":2: column {column}: .*{reason}") as caught:
        load(lake, CALL, [path], tenant="acme")
    if value is not None:
        assert repr(value) in caught.value.message
    assert version(lake, CALL) == -1


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("total_seconds", 1.5, "not a whole number"),
        ("total_seconds", 1.0, "not a whole number"),
        ("total_seconds", "1", "not a whole number"),
        ("total_seconds", 2**64, "not a whole number"),
        ("total_seconds", 2**63, "out of range"),
        ("total_seconds", None, "is required"),
        ("decimal_custom_1", "1.5", "not a finite number"),
        ("decimal_custom_1", float("nan"), "not a finite number"),
        ("decimal_custom_1", float("inf"), "not a finite number"),
        ("is_transfer", "true", "not a boolean"),
        ("is_transfer", 1, "not a boolean"),
        ("ended_at", 1767225600, "not an instant"),
        ("ended_at", "2026-01-01T00:00:10", "without a UTC offset"),
        ("call_id", 5.5, "is neither a JSON string nor a whole number of 64 bits"),
        ("kind", "x", "is not one of"),
        ("queue_ids", "a", "not a JSON array"),
        ("queue_ids", ["a", None], "not a JSON array"),
        ("queue_ids", [["a"]], "not a JSON array"),
        ("notes", {"a": 1}, "is not a JSON string"),
        ("tenant", "other", "is not the tenant"),
    ],
)
def test_json_values_that_break_the_model(lake: Lake, tmp_path: Path, column: str, value: Any, reason: str) -> None:
    good = json.dumps(GOOD_CALL) + "\n"
    path = written(tmp_path / "c.ndjson", good + "\n" + json.dumps({**GOOD_CALL, column: value}) + "\n")
    with pytest.raises(LoadRejected, match=f":3: column {column}: .*{reason}"):
        load(lake, CALL, [path], tenant="acme")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("{", "the line is not JSON"),
        ('{"team_id":"a","name":"b"} x', "the line is not JSON"),
        ("[]", "the line is not a JSON object"),
        ('"a"', "the line is not a JSON object"),
        ("null", "the line is not a JSON object"),
        ('{"team_id":"a","name":"b","name":"c"}', "the object has a key twice"),
    ],
)
def test_lines_that_are_no_objects(lake: Lake, tmp_path: Path, line: str, reason: str) -> None:
    path = written(tmp_path / "t.ndjson", f'{{"team_id":"x","name":"y"}}\n\n{line}\n{{"team_id":"z","name":"y"}}\n')
    with pytest.raises(LoadRejected, match=f":3: {reason}"):
        load(lake, TEAM, [path], tenant="acme")
    bad = tmp_path / "bad"
    counts = load(lake, TEAM, [path], tenant="acme", reject_to=bad)
    assert counts == LoadCounts(read=3, inserted=2, updated=0, superseded=0, rejected=1)
    assert [json.loads(text)["line"] for text in bad.read_text().splitlines()] == [3]


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("SELECT 'a' agent_id, TIMESTAMP '2026-01-01' started_at, 's' state", "without a UTC offset"),
        ("SELECT true agent_id, TIMESTAMPTZ '2026-01-01 00:00Z' started_at, 's' state", "BOOLEAN"),
        ("SELECT 'a' agent_id, TIMESTAMPTZ '2026-01-01 00:00Z' started_at, 's' state, [1] queue_ids", "queue_ids"),
    ],
)
def test_parquet_types_that_cannot_hold_the_values(lake: Lake, tmp_path: Path, sql: str, message: str) -> None:
    path = tmp_path / "s.parquet"
    with duckdb.connect() as connection:
        connection.execute(f"COPY ({sql}) TO '{path}' (FORMAT parquet)")
    with pytest.raises(LakeError, match=message):
        load(lake, STATE, [path], tenant="acme")


def test_parquet_rows_are_checked_and_numbered(lake: Lake, tmp_path: Path) -> None:
    path = tmp_path / "s.parquet"
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(
            "COPY (SELECT 'a' || n AS agent_id, TIMESTAMPTZ '2026-01-01 00:00:00Z' + to_hours(n) AS started_at, "
            "CASE WHEN n = 7 THEN NULL ELSE 's' END AS state, "
            "['x', CASE WHEN n = 9 THEN NULL ELSE 'y' END] AS queue_ids "
            f"FROM range(20) r(n)) TO '{path}' (FORMAT parquet)"
        )
    with pytest.raises(LoadRejected, match=r"row 8: column state: is required but has no value\. 1 more bad rows"):
        load(lake, STATE, [path], tenant="acme")
    bad = tmp_path / "bad.ndjson"
    assert load(lake, STATE, [path], tenant="acme", reject_to=bad).rejected == 2
    found = [json.loads(line) for line in bad.read_text().splitlines()]
    assert [(one["line"], one["column"]) for one in found] == [(8, "state"), (10, "queue_ids")]


def test_line_numbers_are_right_after_newlines_in_quotes_and_blank_lines(lake: Lake, tmp_path: Path) -> None:
    lines = [
        "team_id,name",  # 1
        '1,"two',  # 2
        'lines, ""quoted',
        '"',
        "",  # 5
        '2,"a\r\nb"',  # 6 and 7
        '3, "after a space',  # 8 and 9
        '"',
        '4,stray " quote',  # 10
        '"5","""',  # 11 and 12
        '"""',
        ",bad",  # 13
        '6,"x"',
        "7,too,many",  # 15
        "8",  # 16
        '9,"x"y',  # 17
        ',"bad',  # 18
        'too"',
    ]
    path = written(tmp_path / "t.csv", "\n".join(lines) + "\n")
    with pytest.raises(LoadRejected, match=r":13: column team_id: is required but has no value\. 4 more bad rows"):
        load(lake, TEAM, [path], tenant="acme")
    bad = tmp_path / "bad.ndjson"
    counts = load(lake, TEAM, [path], tenant="acme", reject_to=bad)
    assert counts == LoadCounts(read=11, inserted=6, updated=0, superseded=0, rejected=5)
    assert [json.loads(line)["line"] for line in bad.read_text().splitlines()] == [13, 15, 16, 17, 18]
    assert stored(lake, TEAM)[("5",)]["name"] == '"\n"'


def test_a_rejected_row_keeps_its_raw_values_and_all_its_faults(lake: Lake, tmp_path: Path) -> None:
    text = 'agent_id,name,email,is_active\na,"Zoë ""Z""\n",e,maybe\nb,n,,FALSE\n,,,\nc,n,e,true\n'
    bad = tmp_path / "bad.ndjson"
    path = written(tmp_path / "a.csv", text)
    assert load(lake, AGENT, [path], tenant="acme", reject_to=bad).rejected == 3
    first, second, third = (json.loads(line) for line in bad.read_text(encoding="utf-8").splitlines())
    assert first == {
        "file": str(path),
        "line": 2,
        "column": "is_active",
        "reason": "is not a boolean; write true or false",
        "faults": [{"column": "is_active", "value": "maybe", "reason": "is not a boolean; write true or false"}],
        "row": {"agent_id": "a", "name": 'Zoë "Z"\n', "email": "e", "is_active": "maybe"},
    }
    assert (second["line"], second["column"], second["row"]["email"]) == (4, "email", None)
    assert [fault["column"] for fault in third["faults"]] == ["agent_id", "name", "email", "is_active"]


def test_a_long_value_is_cut_in_the_message(lake: Lake, tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", f"agent_id,name,email,is_active\na,b,c,{'x' * 500}\n")
    with pytest.raises(LoadRejected, match=f"'{'x' * 80}' is not a boolean"):
        load(lake, AGENT, [path], tenant="acme")


def test_bytes_that_are_not_utf_8(lake: Lake, tmp_path: Path) -> None:
    path = written(tmp_path / "t.csv", b"team_id,name\na,b\nb,\xff\xfe\nc,d\n")
    with pytest.raises(LoadRejected, match=":3: column name: the text is not valid UTF-8"):
        load(lake, TEAM, [path], tenant="acme")
    assert load(lake, TEAM, [path], tenant="acme", reject_to=tmp_path / "bad").inserted == 2


def test_a_quote_that_is_never_closed(lake: Lake, tmp_path: Path) -> None:
    path = written(tmp_path / "t.csv", 'team_id,name\na,b\nb,"open\nc,d\n')
    with pytest.raises(LoadRejected, match=r":3: .*quote"):
        load(lake, TEAM, [path], tenant="acme")


@pytest.mark.parametrize("suffix", [".csv", ".ndjson", ".parquet"])
def test_a_smart_view_with_an_invalid_expression_is_refused_by_load(lake: Lake, tmp_path: Path, suffix: str) -> None:
    """Otherwise a later export with this view would fail or show every conversation."""
    texts = ["priority >= 3", "priority >= high", "", "colour = 1", "priority = 1); DROP TABLE queue"]
    rows = [{"smart_view_id": f"v{number}", "name": "V", "expression": text} for number, text in enumerate(texts)]
    lines = written(tmp_path / "views.ndjson", "".join(json.dumps(row) + "\n" for row in rows))
    path = lines.with_suffix(suffix)
    if suffix == ".csv":
        head, *others = (_as_csv(row) for row in rows)
        written(path, head + "".join(other.partition("\n")[2] for other in others))
    elif suffix == ".parquet":
        duckdb.sql(f"COPY (FROM read_json('{lines}')) TO '{path}' (FORMAT parquet)")
    with pytest.raises(LoadRejected, match="column expression"):
        load(lake, TABLES["smart_view"], [path], tenant="acme")
    assert version(lake, TABLES["smart_view"]) == -1
    out = tmp_path / "bad"
    assert load(lake, TABLES["smart_view"], [path], tenant="acme", reject_to=out).rejected == len(texts) - 1
    assert set(stored(lake, TABLES["smart_view"])) == {("v0",)}
    assert {json.loads(line)["column"] for line in out.read_text().splitlines()} == {"expression"}


def test_a_reject_file_is_written_even_when_empty_and_replaced_only_by_success(lake: Lake, tmp_path: Path) -> None:
    bad = written(tmp_path / "bad.ndjson", "old")
    with pytest.raises(LakeError, match="file not found"):
        load(lake, TEAM, [tmp_path / "none.csv"], tenant="acme", reject_to=bad)
    assert bad.read_text() == "old"
    load(lake, TEAM, [written(tmp_path / "t.csv", "team_id,name\na,b\n")], tenant="acme", reject_to=bad)
    assert bad.read_text() == ""
    with pytest.raises(OutputError, match=r"cannot be written.*Nothing was loaded"):
        load(lake, TEAM, [tmp_path / "t.csv"], tenant="acme", reject_to=tmp_path / "no" / "folder")


def test_many_rows_read_in_parallel_keep_their_lines(lake: Lake, tmp_path: Path) -> None:
    rows = 300_000
    lines = [f'{n},"name\n{n}"\n' for n in range(rows)]
    bad = [1, 77_777, 150_001, rows - 1]
    for n in bad:
        lines[n] = f',"name\n{n}"\n'
    broken = [5, 99_999, 200_000, 299_000]
    for n in broken:
        lines[n] = f'{n},"too\nmany",fields\n'
    path = written(tmp_path / "t.csv", "team_id,name\n" + "".join(lines))
    out = tmp_path / "bad"
    assert load(lake, TEAM, [path], tenant="acme", reject_to=out).inserted == rows - len(bad) - len(broken)
    found = [json.loads(line) for line in out.read_text().splitlines()]
    assert [one["line"] for one in found] == [2 + 2 * n for n in sorted(bad + broken)]
    assert [one["row"]["name"] for one in found if one["column"]] == [f"name\n{n}" for n in bad]
    assert [one["row"]["text"].split(",")[0] for one in found if not one["column"]] == [str(n) for n in broken]


def test_a_share_of_bad_rows_can_be_accepted(lake: Lake, tmp_path: Path) -> None:
    """A load without a good row fails in any case, and the file for bad rows is written when a load fails, too."""
    path, bad = written(tmp_path / "t.csv", "team_id,name\na,1\n,2\n,3\nd,4\n"), tmp_path / "bad.ndjson"
    for text, accepted in (("1", False), ("49.9%", False), ("50%", True), ("2", True)):
        options = LoadOptions(max_rejects=parse_max_rejects(text), reject_to=bad)
        if accepted:
            assert load_files(lake, TEAM, [path], tenant="acme", options=options).counts.rejected == 2
        else:
            with pytest.raises(LoadRejected, match=r"2 of 4 rows are bad; --max-rejects is [149.]+( %)?\."):
                load_files(lake, TEAM, [path], tenant="acme", options=options)
            assert version(lake, TEAM) == -1
        assert bad.read_text().count("\n") == 2
        bad.unlink()
    path.write_text("team_id,name\n,1\n")
    with pytest.raises(LoadRejected, match="no row is good"):
        load_files(lake, TEAM, [path], tenant="acme", options=LoadOptions(max_rejects=MaxRejects(percent=100)))
    for text in ("", "-1", "101%", "1e3", "x%"):
        with pytest.raises(ValueError, match="is not a number of rows such as 10"):
            parse_max_rejects(text)


def test_rows_outside_a_replaced_period_and_unknown_words_for_deletion_are_rejected(lake: Lake, tmp_path: Path) -> None:
    bad = tmp_path / "bad.ndjson"
    march = Timespan(start=datetime(2026, 3, 1, tzinfo=UTC), end=datetime(2026, 4, 1, tzinfo=UTC), zone="UTC")
    times = ("2026-02-28T23:59:59.999999Z", "2026-03-01T00:00:00Z", "2026-03-31T23:59:59Z", "2026-04-01T00:00:00Z")
    path = written(tmp_path / "s.csv", "agent_id,started_at,state\n" + "".join(f"a,{at},x\n" for at in times))
    options = LoadOptions(max_rejects=MaxRejects(rows=2), reject_to=bad, period=march)
    assert load_files(lake, STATE, [path], tenant="acme", options=options).counts.inserted == 2
    found = [json.loads(line) for line in bad.read_text().splitlines()]
    assert [(row["line"], row["column"]) for row in found] == [(2, "started_at"), (5, "started_at")]
    assert {row["reason"] for row in found} == {"is outside the period that this load replaces"}

    feed = "op,team_id,name\nDELETE,a,\nx,b,1\n,c,1\nD,,\n"
    for name, text in (("t.csv", feed), ("t.ndjson", _as_ndjson(feed))):
        options = replace(options, period=None, delete_column="op")
        counts = load_files(lake, TEAM, [written(tmp_path / name, text)], tenant=name[2:], options=options).counts
        assert (counts.marked, counts.deleted, counts.inserted, counts.rejected) == (1, 0, 1, 2)
        faults = [json.loads(line) for line in bad.read_text().splitlines()]
        assert [row["column"] for row in faults] == [None, "team_id"]
        assert faults[0]["reason"].startswith("the value of op is neither a word")
    with pytest.raises(LakeError, match=r"there is no column 'deleted', which --delete-column names"):
        load_files(lake, TEAM, [tmp_path / "t.csv"], tenant="acme", options=LoadOptions(delete_column="deleted"))


def _as_ndjson(text: str) -> str:
    rows = csv.DictReader(text.splitlines())
    return "".join(json.dumps({key: value for key, value in row.items() if value}) + "\n" for row in rows)
