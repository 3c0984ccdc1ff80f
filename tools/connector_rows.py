"""Loads an export with every client and connector: PYTHONPATH=.:tools .venv/bin/python tools/connector_rows.py

Each of them loads the calls of a month, and its rows are compared with the files of an export, row for row: a hash of
all columns by the key. Prints one line per client and one JSON object; exits with 1 if a row differs. The first run
creates the environments of Airbyte, dlt and Delta Sharing.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pyarrow as pa
from offtake_client import Export, Offtake
from offtake_client.download.manifests import load_manifest
from offtake_client.warehouses import load_script

from offtake.core.admin import jobs
from offtake.model.job import Status
from tests.fixtures import loop, sharing
from tests.fixtures.databases import fresh_database, postgresql_server, psql
from tests.fixtures.installation import Installation
from tests.fixtures.own_environment import python_of
from tests.fixtures.polling import wait_for
from uv_command import ROOT

FIXTURES, PAGE = ROOT / "tests" / "fixtures", ROOT / "docs" / "how-to" / "use-dlt.md"
MARCH: dict[str, Any] = {"start": "2026-03-01", "end": "2026-04-01"}
KEY, TABLE = "call_id", "partner.care.calls"


@dataclass
class Load:
    """What every client loads: an export of the server, its files, and a folder for what the client writes."""

    installation: Installation
    url: str
    token: str
    export: Export
    folder: Path
    connection: duckdb.DuckDBPyConnection
    files: str  # the function of DuckDB that reads them
    columns: Mapping[str, str]  # of the files, with their types in DuckDB

    def run(self, command: list[str | Path], **options: Any) -> str:
        """Run a program in the folder; return what it printed."""
        environment = {**os.environ, "NO_PROXY": "127.0.0.1", **options.pop("environment", {})}
        folder = self.folder / f"program-{len(list(self.folder.iterdir()))}"
        folder.mkdir()
        done = subprocess.run(
            list(map(str, command)), cwd=folder, env=environment, text=True, check=True, capture_output=True, **options
        )
        return str(done.stdout)


def _to_arrow(load: Load) -> str:
    """The methods of the client return values, which DuckDB reads from a variable."""
    load.connection.register("found", load.export.to_arrow())
    return "found"


def _to_pandas(load: Load) -> str:
    frame, schema = load.export.to_pandas(), load.export.to_arrow().schema
    load.connection.register("found", pa.Table.from_pandas(frame, schema=schema, preserve_index=False))
    return "found"


def _to_polars(load: Load) -> str:
    load.connection.register("found", load.export.to_polars().to_arrow())
    return "found"


def _to_duckdb(load: Load) -> str:
    load.export.to_duckdb(load.connection).create("relation")
    return "relation"


def _sql_duckdb(load: Load) -> str:
    manifest = load_manifest(next((load.folder / "parquet").glob("*.manifest.json"))).manifest
    script = load_script(manifest, "duckdb", location=str(load.folder / "parquet"), table="loaded")
    load.connection.execute(script.text)
    return "loaded"


def _sql_postgres(load: Load) -> str:
    """Rows are read back as CSV; the lists are JSON text in it."""
    with Offtake(load.url, token=load.token) as client, postgresql_server(load.folder) as server:
        export = client.export("calls", **MARCH, format="csv", target=load.folder / "csv")
        export.download()
        script = load.folder / "load.sql"
        location = str(load.folder / "csv")
        script.write_text(load_script(export.manifest(), "postgres", location=location, table="loaded").text)
        database = fresh_database(server).replace("+psycopg", "", 1)
        load.run([psql(), "--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1", "--file", script, database])
        path = load.folder / "postgres.csv"
        with psycopg.connect(database, options="-c TimeZone=UTC") as connection, path.open("wb") as file:
            statement = "COPY loaded TO STDOUT (FORMAT csv, HEADER true, FORCE_QUOTE *)"
            with connection.cursor() as cursor, cursor.copy(statement) as copy:
                file.writelines(bytes(block) for block in copy)
    texts = ", ".join(f"'{name}': 'VARCHAR'" for name in load.columns)
    options = "header = true, nullstr = '', allow_quoted_nulls = false, quote = '\"', escape = '\"', delim = ','"
    return f"read_csv('{path}', columns = {{{texts}}}, auto_detect = false, {options})"


def _dlt(load: Load) -> str:
    (lines,) = (block.partition("```")[0] for block in PAGE.read_text("utf-8").split("```python\n")[1:])
    before, _, after = lines.partition("REPORTS = ")
    lines = f'{before}REPORTS = ["calls"]\n{after.partition(chr(10))[2]}'
    environment = {
        "PYTHONPATH": str(ROOT / "connectors" / "dlt"),
        "SOURCES__OFFTAKE__URL": load.url,
        "SOURCES__OFFTAKE__TOKEN": load.token,
        "RUNTIME__DLTHUB_TELEMETRY": "false",
        "DLT_DATA_DIR": str(load.folder / "dlt"),
    }
    load.run([python_of(FIXTURES / "pipelines"), "-c", lines], environment=environment)
    (database,) = load.folder.glob("*/offtake.duckdb")
    load.connection.execute(f"ATTACH '{database}' AS dlt (READ_ONLY)")
    return "dlt.care.calls"


def _airbyte(load: Load) -> str:
    """By key, because the second sync reads a day again."""
    config = {"url": load.url, "token": load.token, "start_date": "2026-03-01T00:00:00Z"}
    connector = FIXTURES / "airbyte" / "declarative.py"
    manifest = ROOT / "connectors" / "airbyte" / "offtake.yaml"
    command: list[str | Path] = [python_of(connector.parent), connector, manifest, json.dumps(config), "0.5"]
    path, begin = load.folder / "airbyte.ndjson", '{"stream": "calls", "record": '
    environment = {**os.environ, "NO_PROXY": "127.0.0.1"}
    with (
        path.open("w") as file,
        subprocess.Popen(
            list(map(str, command)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
        ) as process,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("\n")
        process.stdin.close()
        file.writelines(line[len(begin) : -2] + "\n" for line in process.stdout if line.startswith(begin))
    columns = ", ".join(f"'{name}': '{kind}'" for name, kind in load.columns.items())
    records = f"read_json('{path}', format = 'newline_delimited', columns = {{{columns}}})"
    return f"(SELECT DISTINCT ON ({KEY}) * FROM {records})"


def _delta_sharing(load: Load) -> str:
    tenant = "acme"
    with load.installation.services() as on:
        sharing.share(on, tenant, TABLE, personal=True)
        _, token = sharing.recipient(on, tenant)
        job, _ = sharing.refresh(on, tenant, TABLE)
        wait_for("the version", lambda: jobs.get(job.id, on).status is Status.SUCCEEDED, timeout_seconds=600)
    profile = load.folder / "partner.share"
    endpoint = f"{load.url}/delta-sharing/"
    profile.write_text(json.dumps({"shareCredentialsVersion": 1, "endpoint": endpoint, "bearerToken": token}))
    script = FIXTURES / "delta_sharing" / "read.py"
    line = json.dumps(["load", [TABLE, "sharing.parquet"], {}])
    load.run([python_of(script.parent), script, profile, load.folder], input=line + "\n")
    return f"read_parquet('{load.folder / 'sharing.parquet'}')"


CLIENTS: Mapping[str, Callable[[Load], str]] = {
    "pyarrow": _to_arrow,
    "pandas": _to_pandas,
    "polars": _to_polars,
    "duckdb": _to_duckdb,
    "sql duckdb": _sql_duckdb,
    "sql postgres": _sql_postgres,
    "dlt": _dlt,
    "airbyte": _airbyte,
    "delta-sharing": _delta_sharing,
}
AS_FLOATS = ("delta-sharing",)  # its data frames have floats where a column of integers has nulls


def _hashes(source: str, load: Load, *, as_floats: bool) -> str:
    """Return a query for the key and a hash of each row of March, with values of the types of the files."""
    schema = load.connection.execute(f"SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM {source})")
    known, values = dict(schema.fetchall()), []
    for name, kind in load.columns.items():
        is_text = kind.endswith("[]") and not known[name].endswith("[]")
        value = f"from_json({name}::VARCHAR, '[\"VARCHAR\"]')" if is_text else f"{name}::{kind}"
        values.append(f"{value}::DOUBLE" if as_floats and kind == "BIGINT" else value)
    march = "ended_at::TIMESTAMPTZ < TIMESTAMPTZ '2026-04-01 00:00:00+00'"  # connectors read on until now
    return f"SELECT {KEY}, hash({', '.join(values)}) AS digest FROM {source} WHERE {march}"


def compare(source: str, load: Load, *, as_floats: bool) -> tuple[int, int]:
    """Return the number of rows of a source, and of those that differ from the files."""
    for table, rows in (("found_rows", source), ("expected", load.files)):
        query = _hashes(rows, load, as_floats=as_floats)
        load.connection.execute(f"CREATE OR REPLACE TEMP TABLE {table} AS {query}")
    count = "SELECT count(*) FROM"
    unexpected = f"{count} (FROM found_rows EXCEPT ALL FROM expected)"
    missing = f"{count} (FROM expected EXCEPT ALL FROM found_rows)"
    statement = f"SELECT ({count} found_rows), ({unexpected}) + ({missing})"
    ((found, differing),) = load.connection.execute(statement).fetchall()
    return found, differing


@contextmanager
def prepared(folder: Path, rows: int) -> Iterator[Load]:
    """A server with so many calls, and an export of them in the folder ``parquet``."""
    installation = Installation(folder / "home")
    installation.init("[native]\ncreates_per_minute = 100000\n")
    installation.add_tenant("acme")
    installation.seed("acme", calls=rows + rows // 1000, until=date(2026, 3, 31))
    token = loop.token(installation, "acme", user=None)
    running = installation.serve(workers=1)
    out = folder / "out"
    try:
        with Offtake(running.url, token=token) as client, duckdb.connect(str(folder / "compare.duckdb")) as connection:
            connection.execute("SET TimeZone = 'UTC'; SET memory_limit = '6GB'")
            export = client.export("calls", **MARCH, target=out / "parquet")
            paths = ", ".join(f"'{path}'" for path in export.download())
            files = f"read_parquet([{paths}])"
            schema = connection.execute(f"SELECT column_name, column_type FROM (DESCRIBE FROM {files})")
            columns = dict(schema.fetchall())
            yield Load(installation, running.url, token, export, out, connection, files, columns)
    finally:
        installation.close()


def main() -> int:
    """Run every client, or those that are named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--only", nargs="*", choices=list(CLIENTS), default=list(CLIENTS))
    given = parser.parse_args()
    results = {}
    with tempfile.TemporaryDirectory(prefix="connector-rows-") as name, prepared(Path(name), given.rows) as load:
        for client in given.only:
            begin = time.monotonic()
            source = CLIENTS[client](load)
            seconds = round(time.monotonic() - begin, 1)
            count, differing = compare(source, load, as_floats=client in AS_FLOATS)
            results[client] = {"rows": count, "differing": differing, "seconds": seconds}
            sys.stderr.write(f"{client}: {count} rows, {differing} differ, {seconds} s\n")
    is_right = all(each["differing"] == 0 and each["rows"] >= given.rows for each in results.values())
    sys.stdout.write(json.dumps({"clients": results, "passed": is_right}) + "\n")
    return 0 if is_right else 1


if __name__ == "__main__":
    sys.exit(main())
