"""Fills a lake with sample data, one table after the other, each in one commit of its own.

The rows come from the SQL files beside this module and go the way of every load from there on, so seeding the same
plan again replaces the same rows by key. They are not validated on the way: the tests hold them against the model.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import duckdb

from offtake.lake.compact import compact
from offtake.lake.delta import Lake
from offtake.lake.ingest.staging import INCOMING, create_incoming, scalar, staging
from offtake.lake.ingest.upsert import upsert
from offtake.lake.seed.calendar import periods, shifts, slots
from offtake.lake.seed.plan import SeedPlan
from offtake.lake.tables import tables

_FOLDER = Path(__file__).parent
_OF_CONVERSATIONS = re.compile(r"\b(?:FROM|JOIN) (?:thread|life)\b")
_CHUNK = 245_760  # calls made by one statement: two of DuckDB's row groups, so that two threads share them


def seed(
    lake: Lake,
    plan: SeedPlan,
    progress: Callable[[int, int], None] = lambda made, of: None,
    *,
    only: Collection[str] = (),
) -> Mapping[str, int]:
    """Upsert the plan's rows and return how many there are per table; ``progress`` gets steps done, and planned.

    ``only`` names the tables to fill; without it, all are. Same plan, same rows, to the byte. Raises
    StorageUnavailable.
    """
    counts = {}
    names = [name for name in seeded() if not only or name in only]
    steps = plan.calls * len(names)  # every table counts alike; calls are told chunk by chunk
    with staging() as connection:
        _prepare(connection, plan)
        if any(needs_conversations(name) for name in names):
            connection.execute(_statement("conversation_life"))
        for number, name in enumerate(names):
            table, before = tables()[name], plan.calls * number
            create_incoming(connection, table)
            for made in _make(connection, plan, name):
                progress(before + made, steps)
            counts[name] = scalar(connection, f"SELECT count(*) FROM {INCOMING}")  # noqa: S608
            with lake.writing(table):
                upsert(connection, lake, table, tenant=plan.tenant)
            compact(lake, table, tenant=plan.tenant)
    return counts


def seeded() -> Sequence[str]:
    """The tables that have an SQL file beside this module, in the order of the data model."""
    return [name for name in tables() if (_FOLDER / f"{name}.sql").exists()]


def needs_conversations(name: str) -> bool:
    """Whether the table is made of the lives of conversations, which take longer to invent than most tables."""
    return _OF_CONVERSATIONS.search(_statement(name)) is not None


def _make(connection: duckdb.DuckDBPyConnection, plan: SeedPlan, name: str) -> Iterator[int]:
    """Fill the incoming rows of one table; yields the number of calls that are taken care of."""
    select = _statement(name)
    for values in _chunks(plan, name):
        known = {key: value for key, value in values.items() if f"${key}" in select}
        connection.execute(f"INSERT INTO {INCOMING} BY NAME {select}", known)
        yield min(values["last"], plan.calls)


def _chunks(plan: SeedPlan, name: str) -> Iterator[dict[str, int]]:
    """The bound values of each statement: calls are made chunk by chunk, everything else at once."""
    sizes = {"teams": plan.teams, "queues": plan.queues, "agents": plan.agents}
    step = _CHUNK if name == "call" else plan.calls
    for first in range(0, plan.calls, step):
        yield {**sizes, "first": first, "last": first + step}


def _prepare(connection: duckdb.DuckDBPyConnection, plan: SeedPlan) -> None:
    """The words, the dice, and the hours, shifts and stretches of the plan as tables."""
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
    connection.execute(f"CREATE VIEW stay AS {_statement('agent_state')}")  # the same stays, to be measured again
    connection.execute(_statement("conversation_words"))
    connection.execute(_statement("messaging_leg"))


def _calendar(connection: duckdb.DuckDBPyConnection, plan: SeedPlan) -> None:
    hours = [(_micros(s.start), s.first, s.calls, list(s.on_duty), s.in_business_hours) for s in slots(plan)]
    mornings = [(s.period, s.zone, _micros(s.start)) for s in shifts(plan)]
    pieces = [(n, _micros(s.start), _micros(s.end), s.main) for n, s in enumerate(periods(plan))]
    _table(
        connection,
        "slot (micros BIGINT, first BIGINT, calls BIGINT, on_duty INTEGER[], in_business_hours BOOLEAN)",
        hours,
    )
    connection.execute(
        "CREATE TABLE numbered AS "
        "SELECT unnest(range(first, first + calls)) AS n, micros, on_duty, in_business_hours FROM slot ORDER BY n"
    )
    _table(connection, "shift (stretch INTEGER, zone INTEGER, micros BIGINT)", mornings)
    _table(connection, "stretch (stretch INTEGER, start_micros BIGINT, end_micros BIGINT, main BOOLEAN)", pieces)


def _table(connection: duckdb.DuckDBPyConnection, shape: str, rows: Sequence[tuple[object, ...]]) -> None:
    """A small table from values, handed over column by column."""
    connection.execute(f"CREATE TABLE {shape}")
    columns = {f"c{n}": list(values) for n, values in enumerate(zip(*rows, strict=True))}
    lists = ", ".join(f"unnest(${name})" for name in columns)
    connection.execute(f"INSERT INTO {shape.split()[0]} SELECT {lists}", columns)


def _micros(at: datetime) -> int:
    return int(at.timestamp()) * 1_000_000


def _statement(name: str) -> str:
    return (_FOLDER / f"{name}.sql").read_text(encoding="utf-8")
