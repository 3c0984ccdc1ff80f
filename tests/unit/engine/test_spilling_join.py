"""Canary of the DuckDB wheel: a hash join that spills to disk returns every row.

Development builds of DuckDB lose rows of spilling inner and semi joins without an error (duckdb/duckdb#25702): the
filter that the join hands to the scan of its other side holds only the keys that are in memory. An export made with
such a build is short and looks complete, so every version that enters the lock file has to pass here. The expected
numbers are calculated, and the database is configured as for an attempt, over Parquet files as in the lake.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest

_FACTOR = 40  # distinct keys of the probe side for each key of the build side; only these few match


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """The two sides of a join. The build side needs more memory than the limit, and is the smaller one."""

    key: str  # SQL of a key, made of a number
    keys: int
    build: int  # rows
    probe: int
    memory: str

    def write(self, folder: Path) -> None:
        """Write both sides as Parquet files of small row groups."""
        for name, rows, keys in (("build", self.build, self.keys), ("probe", self.probe, self.keys * _FACTOR)):
            key = self.key.format(number=f"row % {keys}")
            duckdb.execute(
                f"COPY (SELECT {key} AS key, row AS number FROM range({rows}) AS t (row)) "
                f"TO '{folder / name}.parquet' (ROW_GROUP_SIZE 20480)"
            )

    def expected(self, join: str) -> tuple[int, int, int]:
        """Count of the join's rows, sum of the probe side's numbers, sum of the build side's numbers."""
        period = self.keys * _FACTOR
        rounds = self.probe // period
        matched = rounds * self.keys
        matched_sum = self.keys * period * sum(range(rounds)) + rounds * sum(range(self.keys))
        unmatched, unmatched_sum = self.probe - matched, sum(range(self.probe)) - matched_sum
        fan_out = self.build // self.keys  # rows of an inner join for each matching row of the probe side
        build_sum = sum(range(self.build)) * rounds  # each row of the build side matches once a round
        return {
            "inner": (matched * fan_out, matched_sum * fan_out, build_sum),
            "left": (matched * fan_out + unmatched, matched_sum * fan_out + unmatched_sum, build_sum),
            "semi": (matched, matched_sum, 0),
            "anti": (unmatched, unmatched_sum, 0),
        }[join]


TABLES = {
    "narrow": Tables(key="CAST({number} AS INTEGER)", keys=2_000, build=1_500_000, probe=1_600_000, memory="24MiB"),
    "wide": Tables(
        key="format('conversation-{{:060d}}', {number})", keys=2_000, build=600_000, probe=720_000, memory="48MiB"
    ),
}
JOINS = {
    "inner": "FROM probe JOIN build USING (key)",
    "left": "FROM probe LEFT JOIN build USING (key)",
    "semi": "FROM probe WHERE key IN (SELECT key FROM build)",
    "anti": "FROM probe WHERE NOT EXISTS (FROM build WHERE build.key = probe.key)",
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The folders of the tables' files, by width of the key."""
    made = {width: tmp_path_factory.mktemp(width) for width in TABLES}
    for width, folder in made.items():
        TABLES[width].write(folder)
    return made


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(
    ("width", "join"),
    [(width, join) for width in TABLES for join in JOINS if (width, join) != ("narrow", "semi")],  # below
)
def test_a_join_that_spills_returns_every_row(
    folders: dict[str, Path], tmp_path: Path, width: str, join: str, threads: int
) -> None:
    build_sum = "sum(build.number)" if join in ("inner", "left") else "0"
    query = f"SELECT count(*), sum(probe.number), {build_sum} {JOINS[join]}"
    found, spilled = _run(query, folders[width], tmp_path, memory=TABLES[width].memory, threads=threads)
    assert spilled > 0, "a join that does not spill checks nothing: lower the memory"
    assert found == TABLES[width].expected(join)


@pytest.mark.parametrize("threads", [1, 2])
def test_a_semi_join_that_spills_returns_the_rows_of_every_key(tmp_path: Path, threads: int) -> None:
    """The shape of the report: few keys, each with many rows."""
    for name in ("build", "probe"):
        rows = "SELECT CAST(row % 25 AS INTEGER) AS key FROM range(3_000_000) AS t (row)"
        duckdb.execute(f"COPY ({rows}) TO '{tmp_path / name}.parquet'")
    query = "SELECT count(*) FROM probe WHERE key IN (SELECT key FROM build)"
    found, spilled = _run(query, tmp_path, tmp_path, memory="48MiB", threads=threads)
    assert spilled > 0, "a join that does not spill checks nothing: lower the memory"
    assert found == (3_000_000,)


def _run(query: str, tables: Path, folder: Path, *, memory: str, threads: int) -> tuple[tuple[object, ...] | None, int]:
    """The query's row, and the bytes that DuckDB wrote to its temporary folder."""
    profile = folder / "profile.json"
    config: dict[str, str | bool | int | float | list[str]] = {
        "threads": threads,
        "async_threads": 0,
        "memory_limit": memory,
        "temp_directory": str(folder / "spill"),
        "preserve_insertion_order": "false",
    }
    with duckdb.connect(config=config) as connection:
        for name in ("build", "probe"):
            connection.execute(f"CREATE VIEW {name} AS FROM read_parquet('{tables / name}.parquet')")
        connection.execute(f"SET enable_profiling = 'json'; SET profiling_output = '{profile}'")
        found = connection.execute(query).fetchone()
        connection.execute("SET enable_profiling = 'no_output'")
    spilled: int = json.loads(profile.read_text())["system"]["total_bytes_spilled"]
    return found, spilled
