"""Files as other programs write them: what loses nothing is loaded, the rest is refused with its remedy."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from offtake.errors import LakeError, LoadRejected
from offtake.lake.delta import Lake
from offtake.lake.ingest.load import load
from offtake.lake.storage import FolderTableStorage
from tests.unit.lake.stored import AGENT, STATE, stored, version, written

REQUIRED = {"agent_id": "'a'", "name": "'N'", "email": "'n@example.com'", "is_active": "true"}


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(FolderTableStorage(tmp_path / "lake"))


def _parquet(path: Path, **columns: str) -> Path:
    """A file with one agent, whose columns are SQL expressions."""
    row = ", ".join(f"{value} AS {name}" for name, value in {**REQUIRED, **columns}.items())
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(f"COPY (SELECT {row}) TO '{path}' (FORMAT parquet)")
    return path


@pytest.mark.parametrize(
    ("column", "value", "expected"),
    [
        ("created_at", "CAST('2026-03-01 09:00:00.123456+01' AS TIMESTAMPTZ_NS)", "2026-03-01T08:00:00.123456Z"),
        ("sso_id", "NULL", None),
        ("number", "NULL", None),
        ("created_at", "NULL", None),
        ("number", "CAST(3 AS DOUBLE)", 3),
        ("number", "CAST(NULL AS DOUBLE)", None),
        ("number", "CAST(7 AS DECIMAL(38, 0))", 7),
        ("number", "CAST(-7 AS DECIMAL(10, 2))", -7),
        ("number", "''", None),
        ("sso_id", "''", ""),
        ("sso_id", "UUID '00000000-0000-4000-8000-00000000000a'", "00000000-0000-4000-8000-00000000000a"),
        ("team_id", "UUID '00000000-0000-4000-8000-00000000000a'", "00000000-0000-4000-8000-00000000000a"),
        ("team_id", "CAST(-42 AS BIGINT)", "-42"),
        ("team_id", "CAST(7 AS UTINYINT)", "7"),
        ("team_id", "CAST('12345678901234567890123456789012345678' AS DECIMAL(38, 0))", "1234567890" * 3 + "12345678"),
    ],
)
def test_a_parquet_type_that_holds_the_value_is_loaded(
    lake: Lake, tmp_path: Path, column: str, value: str, expected: object
) -> None:
    load(lake, AGENT, [_parquet(tmp_path / "a.parquet", **{column: value})], tenant="acme")
    (row,) = stored(lake, AGENT).values()
    assert row[column] == expected


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("created_at", "CAST('2026-03-01 08:00:00.123456789+00' AS TIMESTAMPTZ_NS)", "row 1: .*round it to microsec"),
        ("created_at", "TIMESTAMP '2026-03-01 08:00:00'", "without a UTC offset.*INT96.*TIMESTAMP_MICROS"),
        ("created_at", "TIMESTAMP_NS '2026-03-01 08:00:00'", "without a UTC offset.*adjusted to UTC"),
        ("number", "CAST(3.5 AS DOUBLE)", "row 1: column number: '3.5' is not a whole number"),
        ("number", "CAST('nan' AS DOUBLE)", "row 1: column number: 'nan' is not a whole number"),
        ("number", "CAST(1e17 AS DOUBLE)", r"row 1: column number: '1e\+17' is beyond 2\^53"),
        ("number", "CAST(3.5 AS DECIMAL(10, 2))", "row 1: column number: '3.50' is not a whole number"),
        ("number", "CAST('9' || repeat('0', 30) AS DECIMAL(38, 0))", "row 1: column number: .*64-bit integer"),
        ("team_id", "CAST(3 AS DOUBLE)", r"column team_id: type DOUBLE .*CAST\(… AS VARCHAR\)"),
        ("name", "3", r"column name: type INTEGER .*CAST\(… AS VARCHAR\)"),
        ("sso_id", "CAST('a' AS BLOB)", "column sso_id: type BLOB .*as a string"),
        ("is_active", "1", r"column is_active: type INTEGER .*CAST\(… AS BOOLEAN\)"),
        ("email", "NULL", "row 1: column email: is required but has no value"),
    ],
)
def test_a_parquet_type_that_may_lose_something_is_refused_with_its_remedy(
    lake: Lake, tmp_path: Path, column: str, value: str, message: str
) -> None:
    with pytest.raises((LakeError, LoadRejected), match=message):
        load(lake, AGENT, [_parquet(tmp_path / "a.parquet", **{column: value})], tenant="acme")
    assert version(lake, AGENT) == -1


def test_a_list_without_any_item_is_an_empty_list(lake: Lake, tmp_path: Path) -> None:
    path = tmp_path / "s.parquet"
    with duckdb.connect() as connection:
        connection.execute(
            "COPY (SELECT 'a' AS agent_id, TIMESTAMPTZ '2026-01-01 00:00:00Z' AS started_at, 's' AS state, "
            f"[] AS queue_ids) TO '{path}' (FORMAT parquet)"
        )
    load(lake, STATE, [path], tenant="acme")
    (row,) = stored(lake, STATE).values()
    assert row["queue_ids"] == []


def test_quotes_around_every_csv_field_make_no_value_of_a_typed_column(lake: Lake, tmp_path: Path) -> None:
    header = '"agent_id","name","email","is_active","number","created_at","sso_id"'
    path = written(tmp_path / "a.csv", f'{header}\n"a","N","n@example.com","true","","",""\n')
    load(lake, AGENT, [path], tenant="acme")
    (row,) = stored(lake, AGENT).values()
    assert (row["is_active"], row["number"], row["created_at"], row["sso_id"]) == (True, None, None, "")
    missing = written(tmp_path / "b.csv", f'{header}\n"b","N","n@example.com","","","",""\n')
    with pytest.raises(LoadRejected, match=":2: column is_active: is required but has no value"):
        load(lake, AGENT, [missing], tenant="acme")


def test_empty_text_in_a_typed_json_column_is_refused(lake: Lake, tmp_path: Path) -> None:
    """JSON has null, so empty text is a mistake there."""
    line = '{"agent_id":"a","name":"N","email":"n@example.com","is_active":true,"created_at":""}\n'
    with pytest.raises(LoadRejected, match="column created_at: '' is not an instant"):
        load(lake, AGENT, [written(tmp_path / "a.ndjson", line)], tenant="acme")


@pytest.mark.parametrize(("delimiter", "word"), [(";", "semicolons"), ("\t", "tabs"), ("|", "vertical bars")])
def test_a_csv_file_with_another_delimiter_is_refused_with_its_name(
    lake: Lake, tmp_path: Path, delimiter: str, word: str
) -> None:
    path = written(tmp_path / "a.csv", delimiter.join(REQUIRED) + "\n")
    with pytest.raises(LakeError, match=rf"a\.csv:1: the fields are separated by {word}; add --delimiter"):
        load(lake, AGENT, [path], tenant="acme")


def test_a_parquet_folder_is_loaded_as_its_files(lake: Lake, tmp_path: Path) -> None:
    folder = tmp_path / "agents.parquet"
    folder.mkdir()
    _parquet(folder / "part-00001.snappy.parquet", agent_id="'b'", number="2")
    _parquet(folder / "part-00000.snappy.parquet", agent_id="'b'", number="1")
    (folder / "_SUCCESS").touch()
    (folder / ".part-00000.snappy.parquet.crc").touch()
    assert load(lake, AGENT, [folder], tenant="acme").superseded == 1
    assert [row["number"] for row in stored(lake, AGENT).values()] == [2]  # the later file


def test_a_parquet_folder_without_files_or_with_partitions_is_refused(lake: Lake, tmp_path: Path) -> None:
    folder = tmp_path / "agents.parquet"
    (folder / "_temporary").mkdir(parents=True)
    with pytest.raises(LakeError, match=r"agents\.parquet: the folder contains no file"):
        load(lake, AGENT, [folder], tenant="acme")
    (folder / "is_active=true").mkdir()
    with pytest.raises(LakeError, match=r"is_active=true: the folder is partitioned, .*without partitions"):
        load(lake, AGENT, [folder], tenant="acme")
