"""`make bench ARGS=--sweep`: exports of conversations in every size, shape, format and memory must all succeed.

A lake has a number of conversations in one of these shapes:

    sample   the sample data: about 4.5 actions and 2.8 posts for each conversation
    actions  eight times the actions
    posts    six times the posts
    long     posts with texts of 4 KB, or shorter ones so that all texts together have at most 2 GB

Each lake is exported with each memory by a process of its own, which runs the real attempts with their reductions.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
from deltalake import WriterProperties, write_deltalake

from bench_home import TENANT
from bench_result import Measurement
from offtake.app import build_services
from offtake.home import Home
from offtake.lake.delta import Lake
from offtake.lake.tables import tables
from offtake.settings import load_settings
from offtake.sql_text import quote_literal, select_typed
from offtake_process import run_visibly

SIZES = (50_000, 100_000, 200_000, 400_000, 800_000, 1_500_000, 3_000_000)
MEMORIES = (128, 256, 512, 0)  # MiB; 0: the default, which comes from the machine
FORMATS = ("json", "csv", "xlsx")
_WRITER = WriterProperties(max_row_group_size=122_880, compression="SNAPPY")  # as loads write files
_CALLS = 5  # of the sample data for each conversation
_END = date(2026, 6, 30)
_TABLES = (
    *("team", "team_member", "queue", "agent", "author", "customer", "inbox", "inbox_member", "tag", "smart_view"),
    *("business_hours", "holiday", "conversation", "conversation_tag", "conversation_action", "post", "agent_state"),
)
_LONG, _ALL_TEXTS = 4_096, 2 * 1024**3  # characters
# The table that a shape changes, and its new rows.
_SHAPES: dict[str, tuple[str, str]] = {
    "actions": (
        "conversation_action",
        "SELECT * EXCLUDE (copy) REPLACE (action_id || '-' || copy AS action_id) FROM stored, range(8) AS r (copy)",
    ),
    "posts": (
        "post",
        "SELECT * EXCLUDE (copy) REPLACE (post_id || '-' || copy AS post_id) FROM stored, range(6) AS r (copy)",
    ),
    "long": (
        "post",
        "SELECT * REPLACE (rpad(body, least($long, $all // (SELECT count(*) FROM stored))::INTEGER, post_id || ' ') "
        "AS body) FROM stored",
    ),
}
SHAPES = ("sample", *_SHAPES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """What to run. A memory of 0 is the default."""

    sizes: Sequence[int] = SIZES
    memories: Sequence[int] = MEMORIES
    shapes: Sequence[str] = SHAPES
    formats: Sequence[str] = FORMATS


def measure(folder: Path, sweep: Sweep) -> Iterator[Measurement]:
    """Yield one measurement for each lake and memory: the number of failed exports, whose budget is 0."""
    for size in sweep.sizes:
        for shape in sweep.shapes:
            home = folder / f"sweep-{size}-{shape}"
            try:
                _prepare(home, size, shape)
                for memory_mb in sweep.memories:
                    yield _of_lake(home, f"{size:,} {shape}", memory_mb, sweep.formats)
            finally:
                shutil.rmtree(home, ignore_errors=True)


def _of_lake(home: Path, lake: str, memory_mb: int, formats: Sequence[str]) -> Measurement:
    """Export the lake and return the number of failures."""
    end = datetime.combine(_END + timedelta(days=1), datetime.min.time(), tzinfo=UTC)
    wanted = {"home": str(home), "tenant": TENANT, "end": end.isoformat(), "formats": list(formats)}
    settings = {"OFFTAKE_WORKER__RETRY_SECONDS": "0"}
    if memory_mb:
        settings["OFFTAKE_WORKER__MEMORY_MB"] = str(memory_mb)
    script = str(Path(__file__).with_name("bench_sweep_run.py"))
    done = subprocess.run(
        [sys.executable, script],
        input=json.dumps(wanted),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env=os.environ | settings,
    )
    found: list[dict[str, Any]] = json.loads(done.stdout)
    failed = [each for each in found if each["code"]]
    reduced = [f"{each['name']} {each['reductions']}" for each in found if each["reductions"]]
    seconds, peak = sum(each["seconds"] for each in found), max(each["peak_mb"] for each in found)
    parts = [
        f"{len(found)} exports, {sum(each['rows'] for each in found):,} rows, {seconds:.0f} s, peak {peak:,.0f} MB"
    ]
    parts += [f"reduced: {', '.join(reduced)}"] if reduced else []
    parts += [f"failed: {', '.join(each['name'] + ' ' + each['code'] for each in failed)}"] if failed else []
    return Measurement(
        name=f"{lake}, {memory_mb or 'default'} MiB",
        measured="; ".join(parts),
        value=float(len(failed)),
        unit=" failures",
        budget=0.0,
    )


def _prepare(home: Path, size: int, shape: str) -> None:
    """Create the home and its lake."""
    shutil.rmtree(home, ignore_errors=True)
    home.parent.mkdir(parents=True, exist_ok=True)
    run_visibly("init", "--home", str(home))
    run_visibly("tenant", "add", TENANT, "--home", str(home))
    only = [word for name in _TABLES for word in ("--table", name)]
    plan = ["--tenant", TENANT, "--calls", str(size * _CALLS), "--until", _END.isoformat()]
    run_visibly("seed", "--home", str(home), *plan, *only)
    if shape in _SHAPES:
        on = build_services(Home(home), load_settings(Home(home).settings))
        try:
            _reshape(on.lake, *_SHAPES[shape], spill=home / "spill")
        finally:
            on.database.close()


def _reshape(lake: Lake, name: str, sql: str, *, spill: Path) -> None:
    """Replace the rows of a table by those of the query over ``stored``, sorted by event time as a load does."""
    table = tables()[name]
    delta = lake.create(table)
    with lake.local(lake.files(delta, table, TENANT)) as files, duckdb.connect() as base:
        base.execute(f"SET threads = 2; SET memory_limit = '2GB'; SET temp_directory = {quote_literal(str(spill))}")
        base.execute("SET TimeZone = 'UTC'; SET preserve_insertion_order = false")
        base.execute("SET VARIABLE stored_files = $files", {"files": [file.path for file in files]})
        base.execute(f"CREATE TEMP VIEW stored AS {select_typed(table.stored_columns, files='stored_files')}")
        values = {key: value for key, value in (("long", _LONG), ("all", _ALL_TEXTS)) if f"${key}" in sql}
        rows = base.sql(f"{sql} ORDER BY happened_at", params=values)
        write_deltalake(delta, rows, mode="overwrite", writer_properties=_WRITER)
    shutil.rmtree(spill, ignore_errors=True)
