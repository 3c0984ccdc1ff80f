"""SQL for warehouses: executed in DuckDB and PostgreSQL, and parsed for all others."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import duckdb
import psycopg
import pyarrow.parquet as pq
import pytest
import sqlglot
from sqlglot import exp
from typer.testing import CliRunner

from offtake_client import Manifest, Offtake
from offtake_client.cli import app
from offtake_client.documents import ManifestColumn, ManifestFile
from offtake_client.errors import UnknownOption
from offtake_client.warehouses import WarehouseName, load_script
from offtake_client.warehouses.dialects import WAREHOUSES
from tests.fixtures.databases import fresh_database, postgresql_server, psql
from tests.fixtures.row_comparison import assert_same_rows

MARCH: Any = {"start": "2026-03-01", "end": "2026-04-01"}
HARD = "What a customer's \"agent\" said: C:\\new\n`100 %`, {} and ''"
LOCATIONS: dict[WarehouseName, str] = {
    "snowflake": "gs://care/it's here",
    "bigquery": "gs://care/it's here",
    "redshift": "s3://care/it's here",
    "databricks": "abfss://care@it's here",
    "duckdb": "/care/it's here",
    "postgres": "/care/it's here",
}
TYPES = {"text", "id", "integer", "seconds", "milliseconds", "decimal", "boolean", "instant", "date", "list"}


@pytest.fixture(scope="module")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An empty database of PostgreSQL."""
    with postgresql_server(tmp_path_factory.mktemp("postgresql")) as url:
        yield fresh_database(url).replace("+psycopg", "", 1)


def run(*arguments: object, code: int = 0) -> Any:
    """Run a command, which has to end with that code; return what it printed."""
    done = CliRunner().invoke(app, [str(each) for each in arguments])
    assert done.exit_code == code, done.output
    return done


def test_duckdb_and_postgresql_load_an_export_row_for_row(offtake: Offtake, tmp_path: Path, postgresql: str) -> None:
    """Of several files, in a folder whose name is a pattern of DuckDB and has a quote."""
    folder, text = tmp_path / "it's [1]*", tmp_path / "text"
    export = offtake.export("calls", **MARCH, options={"split": {"rows": 1500}}, target=folder)
    paths = export.download()
    assert len(paths) > 1
    expected = [row for path in paths for row in pq.ParquetFile(path).read().to_pylist()]
    assert any(row["queue_names"] for row in expected)
    manifest = export.manifest()
    meanings = {column.name: column.meaning.rstrip(".") for column in manifest.columns}

    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(run("sql", "duckdb", folder, "--table", 'main.the "calls"').stdout)
        found = connection.sql('SELECT * FROM "the ""calls"""').to_arrow_table().to_pylist()
        comments = dict(
            connection.sql("SELECT column_name, comment FROM duckdb_columns() WHERE NOT internal").fetchall()
        )
    assert_same_rows(found, expected, key=["call_id"])
    assert [name for name in meanings if not comments[name].startswith(meanings[name])] == []
    assert comments["talk_seconds"].endswith(". Unit: seconds.")
    assert comments["customer_number"].endswith(". Personal data.")

    options = {"split": {"rows": 1500}, "csv": {"delimiter": "\t", "null": "none", "quote": "'"}}
    offtake.export("calls", **MARCH, format="csv", options=options, target=text).download()
    script = tmp_path / "load.sql"
    run("sql", "postgres", text, "--table", "public.calls", "-o", script)
    command: list[str | Path] = [
        psql(),
        "--no-psqlrc",
        "--quiet",
        "--set",
        "ON_ERROR_STOP=1",
        "--file",
        script,
        postgresql,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    with psycopg.connect(postgresql, options="-c TimeZone=UTC") as database:
        rows = database.execute("SELECT row_to_json(calls)::text FROM calls").fetchall()
        typed = database.execute("SELECT * FROM calls")
        names = [column.name for column in typed.description or ()]
        found = [dict(zip(names, row, strict=True)) for row in typed.fetchall()]
        comment = database.execute("SELECT col_description('calls'::regclass, 1)").fetchone()
    assert len(rows) == len(expected)
    assert_same_rows([_in_utc(row) for row in found], [_in_utc(row) for row in expected], key=["call_id"])
    assert comment == (comments[names[0]],)
    assert "loads parquet" in run("sql", "duckdb", text, code=2).stderr
    assert "loads csv" in run("sql", "postgres", folder, code=2).stderr


def _in_utc(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row whose instants differ only if they are other instants."""
    return {name: value.timestamp() if hasattr(value, "timestamp") else value for name, value in row.items()}


def _manifest(**changes: Any) -> Manifest:
    columns = [ManifestColumn(f'{kind} `of" a', kind, HARD, "s", True) for kind in sorted(TYPES)]
    columns += [
        ManifestColumn("select", "text"),
        ManifestColumn("Talk", "text", "Talk. "),
        ManifestColumn("talk_2", "id"),
    ]
    files = [ManifestFile(f"calls-{number}.parquet", 1, 1, "") for number in range(1201)]
    made = Manifest("0192", "calls", 1, 1, tuple(files), tuple(columns), {"format": "parquet"})
    return replace(made, **changes)


@pytest.mark.parametrize("warehouse", get_args(WarehouseName))
def test_every_statement_parses_and_has_what_the_manifest_says(warehouse: WarehouseName) -> None:
    """Names, comments and file names keep every character; every type of a column is one of the warehouse."""
    manifest = _manifest(request={"format": WAREHOUSES[warehouse].format})
    access = "care_reader" if WAREHOUSES[warehouse].access else None
    script = load_script(manifest, warehouse, location=LOCATIONS[warehouse], table="care.the calls", access=access)
    parsed = [
        found
        for statement in script.statements
        for found in sqlglot.parse(statement.removeprefix("\\"), dialect=warehouse)
        if found is not None
    ]
    assert len(parsed) == len(script.statements)
    assert not [each for each in parsed if isinstance(each, exp.Command)]  # what sqlglot does not know
    create = parsed[0]
    names = [column.name for column in create.find_all(exp.ColumnDef)]
    fold = str.upper if warehouse == "snowflake" else str
    assert names == [*(f'{kind} `of" a' for kind in sorted(TYPES)), fold("select"), "Talk", fold("talk_2")]
    assert all(isinstance(column.kind, exp.DataType) for column in create.find_all(exp.ColumnDef))
    literals = {literal.this for each in parsed for literal in each.find_all(exp.Literal)}
    full = HARD + ". Unit: s. Personal data."
    assert full in literals
    assert "Talk." in literals
    folder = LOCATIONS[warehouse].replace("gs://", "gcs://") if warehouse == "snowflake" else LOCATIONS[warehouse]
    wanted = [f"{folder}/{file.name}" for file in manifest.files]
    if warehouse in ("snowflake", "databricks"):
        assert f"{folder}/" in literals
        wanted = [file.name for file in manifest.files]
    assert literals.issuperset(wanted)
    assert script.text.count("care_reader") + script.text.count("CARE_READER") >= bool(access)
    assert (parsed[-1].key == "commit") == (warehouse in ("redshift", "postgres"))


def test_what_cannot_be_loaded_is_refused_with_a_remedy(offtake: Offtake, tmp_path: Path) -> None:
    def refused(warehouse: WarehouseName, *, location: str = "s3://care", **changes: Any) -> str:
        options = {name: changes.pop(name) for name in ("access", "table", "types") if name in changes}
        with pytest.raises(UnknownOption) as caught:
            load_script(_manifest(**changes), warehouse, location=location, **options)
        return str(caught.value)

    assert "no name of a table" in refused("duckdb", table="care..calls")
    assert "--type place=TYPE" in refused("duckdb", columns=(ManifestColumn("place", "point"),))
    assert "an older release" in refused("duckdb", columns=())
    assert "--location gs://" in refused("bigquery", location="/care")
    assert "has no --access" in refused("databricks", access="role")
    assert "A stage has its own" in refused("snowflake", location="@care/in", access="role")
    assert "no name of a table" in refused("postgres", location="/", table="care\n\\! id", request={"format": "csv"})
    assert "no SQL type" in refused("duckdb", types={"select": "TEXT, other INT"})
    assert "has no column 'x'" in refused("duckdb", types={"x": "TEXT"})
    assert "no SQL type" in refused("duckdb", types={"select": "text); DROP TABLE x"})
    csv = {"format": "csv", "csv": {"decimal_mark": ","}}
    assert "decimal comma" in refused("postgres", location="/care", request=csv)
    assert "compressed with gzip" in refused("postgres", location="/", request={"format": "csv", "compression": "gzip"})
    assert "psql cannot read" in refused("postgres", request={"format": "csv"})
    assert '"select" CHAR(2)' in load_script(_manifest(), "duckdb", location="/", types={"select": "CHAR(2)"}).text

    folder = tmp_path / "two"
    exports = [offtake.export("calls", **MARCH, columns=[name], target=folder) for name in ("call_id", "kind")]
    for export in exports:
        export.download()
    failed = run("sql", "duckdb", folder, code=9).stderr
    assert all(f"{folder / export.id}.manifest.json" in failed for export in exports)
    one = folder / f"{exports[1].id}.manifest.json"
    found = json.loads(run("sql", "bigquery", one, "--location", "gs://care/", "--json").stdout)
    assert found["table"] == "`calls`"
    assert [column["name"] for column in found["columns"]] == ["kind"]
    assert found["files"] == [f"gs://care/{file.name}" for file in exports[1].manifest().files]
    assert "--location" in run("sql", "snowflake", one, code=2).stderr
    assert "There is no folder" in run("sql", "duckdb", tmp_path / "none", code=9).stderr
    assert "Write column=TYPE" in run("sql", "duckdb", one, "--type", "kind", code=2).stderr


def test_an_export_is_named_by_its_id(
    offtake: Offtake, server: Any, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OFFTAKE_CLIENT_URL", server.url)
    monkeypatch.setenv("OFFTAKE_CLIENT_TOKEN", token)
    export = offtake.export("calls", **MARCH, columns=["call_id"])
    assert export.wait().state == "succeeded"
    assert "may be anywhere" in run("sql", "duckdb", export.id, code=2).stderr
    shown = run("sql", "databricks", export.id, "--location", "/Volumes/care").stdout
    (file,) = export.manifest().files
    assert shown.startswith("CREATE TABLE IF NOT EXISTS `calls` (\n    `call_id` STRING COMMENT 'Identifies the call.'")
    assert shown.endswith(f"FROM '/Volumes/care/'\n    FILEFORMAT = PARQUET\n    FILES = ('{file.name}');\n")
