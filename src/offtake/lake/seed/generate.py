"""Fill a lake with sample data, table by table, one commit each.

The SQL files of this folder generate the rows, which are then upserted as in a load, so seeding the same plan again
replaces the same rows. Rows are not validated here; the tests check them against the model.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import duckdb

from offtake.lake.compact import compact
from offtake.lake.delta import Lake
from offtake.lake.ingest.incoming import ARRIVING, INCOMING, Incoming, scalar
from offtake.lake.ingest.upsert import Change, upsert
from offtake.lake.seed.calendar import periods, shifts, slots
from offtake.lake.seed.ownership import new_change_id
from offtake.lake.seed.plan import SeedPlan
from offtake.lake.staging import staging
from offtake.lake.tables import tables

_FOLDER = Path(__file__).parent
_USES_CONVERSATIONS = re.compile(r"\b(?:FROM|JOIN) (?:conversation_plan|conversation_event)\b")
_CHUNK = 245_760  # calls per statement: two of DuckDB's row groups, one per thread


def seed(
    lake: Lake,
    plan: SeedPlan,
    progress: Callable[[int, int], None] = lambda done, total: None,
    *,
    only: Collection[str] = (),
) -> Mapping[str, int]:
    """Upsert the plan's rows and return their number per table; ``progress`` gets the work done and the total.

    ``only`` names the tables to fill; if empty, all are filled. Raises StorageUnavailable.
    """
    counts = {}
    names = [name for name in seeded_tables() if not only or name in only]
    total = plan.calls * len(names)  # each table counts as plan.calls; the table call reports by chunk
    with staging(lake.storage.staging) as area:
        connection = area.connection
        _prepare(connection, plan)
        if any(needs_conversations(name) for name in names):
            connection.execute(_statement("conversation_events"))
        for number, name in enumerate(names):
            table, before = tables()[name], plan.calls * number
            incoming = Incoming(area, table)
            for done in _generate(incoming, plan, name):
                progress(before + done, total)
            counts[name] = scalar(connection, f"SELECT count(*) FROM {INCOMING}")  # noqa: S608
            with lake.writing(table):
                upsert(incoming, lake, tenant=plan.tenant, change=Change(id=new_change_id()))
            compact(lake, table, tenant=plan.tenant)
    return counts


def seeded_tables() -> Sequence[str]:
    """Return the tables that have an SQL file in this folder, in the order of the data model."""
    return [name for name in tables() if (_FOLDER / f"{name}.sql").exists()]


def needs_conversations(name: str) -> bool:
    """Return whether the table is derived from conversations, which take longer to generate than most tables."""
    return _USES_CONVERSATIONS.search(_statement(name)) is not None


def _generate(incoming: Incoming, plan: SeedPlan, name: str) -> Iterator[int]:
    """Generate the incoming rows of one table; yield the number of calls done."""
    select = _statement(name)
    for values in _chunks(plan, name):
        bound = {key: value for key, value in values.items() if f"${key}" in select}
        incoming.connection.execute(f"INSERT INTO {ARRIVING} BY NAME {select}", bound)
        incoming.keep()
        yield min(values["last"], plan.calls)


def _chunks(plan: SeedPlan, name: str) -> Iterator[dict[str, int]]:
    """Yield the bound values of each statement: calls are generated in chunks, other tables in one statement."""
    sizes = {"teams": plan.teams, "queues": plan.queues, "agents": plan.agents}
    step = _CHUNK if name == "call" else plan.calls
    for first in range(0, plan.calls, step):
        yield {**sizes, "first": first, "last": first + step}


def _prepare(connection: duckdb.DuckDBPyConnection, plan: SeedPlan) -> None:
    """Create the texts, the macros for rolls, and the plan's hours, shifts and periods as tables."""
    middle = plan.start + timedelta(days=plan.days // 2)
    variables = {
        "seed": f"{plan.seed}/{plan.tenant}",
        "moved_at": _micros(middle),
        "ends_at": _micros(plan.end),
    }
    for name, value in variables.items():
        connection.execute(f"SET VARIABLE {name} = $value", {"value": value})
    connection.execute(_statement("words"))
    sizes = {"teams": plan.teams, "queues": plan.queues, "agents": plan.agents}
    for statement in connection.extract_statements(_statement("chance")):
        connection.execute(statement, {key: sizes[key] for key in statement.named_parameters})
    _calendar(connection, plan)
    connection.execute(_statement("rolled_call"))
    connection.execute(f"CREATE VIEW stay AS {_statement('agent_state')}")  # for adherence_event and other tables
    connection.execute(_statement("conversation_words"))
    connection.execute(_statement("messaging_leg"))


def _calendar(connection: duckdb.DuckDBPyConnection, plan: SeedPlan) -> None:
    slot_rows = [(_micros(s.start), s.first, s.calls, list(s.on_duty), s.in_business_hours) for s in slots(plan)]
    shift_rows = [(s.period, s.zone, _micros(s.start)) for s in shifts(plan)]
    period_rows = [(n, _micros(s.start), _micros(s.end), s.main) for n, s in enumerate(periods(plan))]
    _table(
        connection,
        "slot (micros BIGINT, first BIGINT, calls BIGINT, on_duty INTEGER[], in_business_hours BOOLEAN)",
        slot_rows,
    )
    connection.execute(
        "CREATE TABLE numbered AS "
        "SELECT unnest(range(first, first + calls)) AS n, micros, on_duty, in_business_hours FROM slot ORDER BY n"
    )
    _table(connection, "shift (period INTEGER, zone INTEGER, micros BIGINT)", shift_rows)
    _table(connection, "period (period INTEGER, start_micros BIGINT, end_micros BIGINT, main BOOLEAN)", period_rows)


def _table(connection: duckdb.DuckDBPyConnection, schema: str, rows: Sequence[tuple[object, ...]]) -> None:
    """Create a small table and insert rows, bound column by column."""
    connection.execute(f"CREATE TABLE {schema}")
    columns = {f"c{n}": list(values) for n, values in enumerate(zip(*rows, strict=True))}
    lists = ", ".join(f"unnest(${name})" for name in columns)
    connection.execute(f"INSERT INTO {schema.split()[0]} SELECT {lists}", columns)


def _micros(at: datetime) -> int:
    return int(at.timestamp()) * 1_000_000


def _statement(name: str) -> str:
    return (_FOLDER / f"{name}.sql").read_text(encoding="utf-8")
