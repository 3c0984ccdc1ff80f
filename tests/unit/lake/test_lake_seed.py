"""Sample data is deterministic and consistent."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from offtake.lake.delta import Lake
from offtake.lake.ingest.load import load
from offtake.lake.seed import SeedPlan, seed
from offtake.lake.seed.calendar import clock_changes, periods, slots
from offtake.lake.seed.generate import needs_conversations, seeded_tables
from offtake.lake.storage import FolderTableStorage
from offtake.lake.tables import tables
from tests.fixtures.sample import PLAN, Sample
from tests.unit.lake.questions import none, some, values_and_gaps
from tests.unit.lake.stored import TABLES, Stored, database, seen, stored

SEEDED = seeded_tables()


@pytest.fixture
def lake(sample: Sample) -> Lake:
    return sample.lake


@pytest.fixture(scope="module")
def rows(sample: Sample) -> dict[str, Stored]:
    return _rows(sample.lake)


@pytest.fixture(scope="module")
def digest(rows: dict[str, Stored]) -> dict[str, str]:
    return _digest(rows)


def _rows(lake: Lake, names: Iterable[str] = SEEDED) -> dict[str, Stored]:
    return {name: stored(lake, TABLES[name]) for name in names}


def _digest(rows: dict[str, Stored]) -> dict[str, str]:
    found = {}
    for name, by_key in rows.items():
        text = "\n".join(repr(by_key[key]) for key in sorted(by_key, key=repr))
        found[name] = hashlib.sha256(text.encode()).hexdigest()
    return found


def test_progress_reports_every_row_made(sample: Sample, rows: dict[str, Stored]) -> None:
    assert list(sample.counts) == list(SEEDED)
    assert {name: len(found) for name, found in rows.items()} == dict(sample.counts)
    total = PLAN.calls * len(SEEDED)
    assert sample.progress[-1] == (total, total)
    assert sample.progress == sorted(sample.progress)


OF_CONVERSATIONS = {
    "conversation",
    "conversation_action",
    "conversation_tag",
    "help_request",
    "post",
    "response_approval",
}


def test_conversations_are_generated_only_for_tables_that_need_them() -> None:
    assert {name for name in SEEDED if needs_conversations(name)} == OF_CONVERSATIONS


def test_the_same_plan_makes_the_same_rows_alone_together_and_again(digest: dict[str, str], tmp_path: Path) -> None:
    other = Lake(FolderTableStorage(tmp_path / "lake"))
    alone = set(SEEDED) - OF_CONVERSATIONS
    assert set(seed(other, PLAN, only=alone)) == alone
    assert _digest(_rows(other, alone)) == {name: digest[name] for name in alone}
    seed(other, PLAN)
    assert _digest(_rows(other)) == digest
    seed(other, PLAN, only=OF_CONVERSATIONS)
    assert _digest(_rows(other, OF_CONVERSATIONS)) == {name: digest[name] for name in OF_CONVERSATIONS}


def test_one_table_of_conversations_seeded_alone_equals_one_seeded_with_the_others(
    digest: dict[str, str], tmp_path: Path
) -> None:
    other = Lake(FolderTableStorage(tmp_path / "lake"))
    seed(other, PLAN, only={"help_request"})
    assert _digest(_rows(other, ["help_request"])) == {"help_request": digest["help_request"]}


def test_the_rows_are_the_same_on_every_machine(digest: dict[str, str]) -> None:
    """A change of this digest changes all sample data: it needs a changelog fragment."""
    whole = hashlib.sha256(repr(sorted(digest.items())).encode()).hexdigest()
    assert whole == "5eab2fca562e1061fc55f79fd89875ec0c52fd649edcf4a098e7de5041a3b7b4"


def test_another_seed_or_tenant_makes_other_rows(lake: Lake, tmp_path: Path) -> None:
    other = Lake(FolderTableStorage(tmp_path / "lake"))
    for plan in (replace(PLAN, seed=8, calls=50, days=2), replace(PLAN, tenant="bolt", calls=50, days=2)):
        seed(other, plan, only=("call",))
    ids = [
        set(stored(lake, TABLES["call"])),
        *(set(stored(other, TABLES["call"], t)) for t in ("acme", "bolt")),
    ]
    assert len(set.union(*ids)) == sum(len(part) for part in ids)


def test_sample_data_obeys_the_model(lake: Lake, digest: dict[str, str], tmp_path: Path) -> None:
    """The rows are written as Parquet and loaded again with validation."""
    other = Lake(FolderTableStorage(tmp_path / "lake"))
    for name in SEEDED:
        table, path = tables()[name], tmp_path / f"{name}.parquet"
        columns = ", ".join(f'"{column.name}"' for column in table.columns)
        files = list(seen(lake, table).files)
        with duckdb.connect() as connection:
            connection.execute("SET TimeZone = 'UTC'")
            connection.execute(f"COPY (SELECT {columns} FROM read_parquet({files!r})) TO '{path}' (FORMAT parquet)")
        load(other, table, [path], tenant="acme")
    assert _digest(_rows(other)) == digest


@pytest.mark.parametrize("name", SEEDED)
def test_foreign_keys_hold(db: duckdb.DuckDBPyConnection, name: str) -> None:
    for column in TABLES[name].columns:
        if column.references:
            values = f'unnest("{column.name}")' if column.type.value == "list" else f'"{column.name}"'
            key = TABLES[column.references].key[0]
            none(
                db,
                f'SELECT v FROM (SELECT {values} AS v FROM "{name}") WHERE v IS NOT NULL '
                f'AND v NOT IN (SELECT "{key}" FROM "{column.references}") LIMIT 3',
            )


def test_durations_of_calls_add_up(db: duckdb.DuckDBPyConnection) -> None:
    none(db, "SELECT * FROM call WHERE ended_at <> started_at + to_seconds(total_seconds)")
    none(db, "SELECT * FROM call WHERE total_seconds <> wait_seconds + talk_seconds + hold_seconds")
    none(db, "SELECT * FROM call WHERE ringing_seconds > wait_seconds")
    none(db, "SELECT * FROM call WHERE (kind IN ('inbound', 'outbound')) <> (talk_seconds > 0)")
    none(
        db,
        "SELECT * FROM call WHERE abandon_seconds <> "
        "CASE WHEN kind IN ('abandoned', 'short_abandoned') THEN total_seconds ELSE 0 END",
    )
    none(
        db, "SELECT * FROM call WHERE csat_answered_at < ended_at OR (csat_score IS NULL) <> (csat_answered_at IS NULL)"
    )


def test_calls_have_realistic_proportions(db: duckdb.DuckDBPyConnection) -> None:
    kinds = dict(db.execute("SELECT kind, count(*) FROM call GROUP BY kind").fetchall())
    assert set(kinds) == set(TABLES["call"].by_name["kind"].values)
    assert sum(kinds.values()) == PLAN.calls
    none(db, "SELECT * FROM call WHERE is_transfer AND NOT is_external_transfer AND handling_agent_id IS NULL")
    none(
        db,
        "SELECT * FROM call WHERE handling_agent_id = agent_id OR (handling_agent_id IS NOT NULL AND NOT is_transfer)",
    )
    some(
        db,
        "call",
        "handling_agent_id IS NOT NULL",
        "csat_score IS NOT NULL",
        "notes = ''",
        "notes LIKE '%\n%'",
        "is_damaged",
        "agent_id IS NULL AND kind = 'inbound'",
        "team_id IS NULL AND agent_id IS NOT NULL",
        "queue_ids = []",
    )
    values_and_gaps(db, "call")


def test_an_agents_team_is_the_one_of_the_time(db: duckdb.DuckDBPyConnection) -> None:
    none(
        db,
        "SELECT c.call_id FROM call AS c JOIN agent_state AS s "
        "ON s.agent_id = c.agent_id AND c.started_at >= s.started_at "
        "AND (s.ended_at IS NULL OR c.started_at < s.ended_at) WHERE c.team_id IS DISTINCT FROM s.team_id",
    )
    moved = db.execute("SELECT count(*) FROM (SELECT agent_id FROM call GROUP BY 1 HAVING count(DISTINCT team_id) > 1)")
    assert moved.fetchone() != (0,)


def test_states_follow_each_other_without_gap_or_overlap(db: duckdb.DuckDBPyConnection) -> None:
    db.execute(
        "CREATE TEMP TABLE step AS SELECT *, lead(started_at) OVER (PARTITION BY agent_id ORDER BY started_at) AS next "
        "FROM agent_state"
    )
    none(
        db,
        "SELECT * FROM step WHERE ended_at <= started_at OR ended_at > next OR (ended_at IS NULL AND next IS NOT NULL)",
    )
    whole = len(periods(PLAN))
    gaps = db.execute("SELECT agent_id, count(*) FROM step WHERE ended_at < next GROUP BY agent_id").fetchall()
    assert {count for _, count in gaps} == {whole - 1}
    covered = db.execute(
        "SELECT count(*) FROM (SELECT agent_id FROM agent_state GROUP BY 1 HAVING "
        "max(coalesce(ended_at, $end)) = $end AND min(started_at) <= $start)",
        {"end": PLAN.end, "start": PLAN.start},
    )
    assert covered.fetchone() == (PLAN.agents,)
    some(
        db,
        "agent_state",
        "ended_at IS NULL",
        "date_trunc('day', ended_at) > date_trunc('day', started_at)",
        "date_trunc('month', ended_at) > date_trunc('month', started_at)",
        "queue_ids IS NULL",
        "queue_ids = []",
    )
    states = {row[0] for row in db.execute("SELECT DISTINCT state FROM agent_state").fetchall()}
    assert states >= {"Available", "On A Call", "After Call Work", "Away", "Lunch", "offline"}


def test_both_changes_of_clocks_are_covered(db: duckdb.DuckDBPyConnection) -> None:
    changes = clock_changes(PLAN)
    assert changes == [
        datetime(2026, 3, 8, 7, tzinfo=UTC),
        datetime(2026, 3, 29, 1, tzinfo=UTC),
        datetime(2026, 10, 25, 1, tzinfo=UTC),
        datetime(2026, 11, 1, 6, tzinfo=UTC),
    ]
    for at in changes:
        near = {"low": at - timedelta(hours=3), "high": at + timedelta(hours=3)}
        assert db.execute("SELECT count(*) > 0 FROM call WHERE started_at BETWEEN $low AND $high", near).fetchone() == (
            True,
        )
        over = "SELECT count(*) > 0 FROM agent_state WHERE started_at < $at AND ended_at > $at"
        assert db.execute(over, {"at": at}).fetchone() == (True,)
    inside = db.execute(
        "SELECT count(*) FROM call WHERE started_at >= $start AND started_at < $end",
        {"start": PLAN.start, "end": PLAN.end},
    ).fetchone()
    assert inside is not None
    assert inside[0] > 0.9 * PLAN.calls


def test_names_contain_difficult_characters(lake: Lake) -> None:
    names = "".join(
        str(row["name"]) for name in ("agent", "queue", "team") for row in stored(lake, TABLES[name]).values()
    )
    for part in ['"', ",", "\n", "\t", "'", "=", "+", "#", "Иван", "山田", "مريم", "נועה", "é", "👩🏽‍💻", "Zoe\u0308"]:
        assert part in names
    with database(seen(lake, TABLES["agent"])) as connection:
        found = connection.execute(
            "SELECT count(*), count(DISTINCT email), bool_and(email LIKE '%.example') FROM agent"
        )
        assert found.fetchone() == (PLAN.agents, PLAN.agents, True)


@pytest.mark.parametrize(("calls", "days"), [(1, 1), (7, 3), (999, 31), (100_000, 1), (5_000, 400)])
def test_slots_hold_exactly_the_calls_planned(calls: int, days: int) -> None:
    made = slots(replace(PLAN, calls=calls, days=days))
    first = 0
    for before, slot in zip([None, *made], made, strict=False):
        assert slot.first == first
        assert before is None or before.start <= slot.start
        first += slot.calls
    assert first == calls


def test_no_text_shows_an_escape_instead_of_its_character(lake: Lake) -> None:
    """DuckDB's texts have no escape for a code point: ``\\u0308`` would become ``u0308``."""
    for table in TABLES.values():
        with database(seen(lake, table)) as connection:
            found = connection.execute(
                f'SELECT CAST(COLUMNS(*) AS VARCHAR) FROM "{table.name}" '
                f"WHERE regexp_matches(CAST({table.name} AS VARCHAR), '[a-zA-Z]u[02][0-3][0-9a-fA-F]{{2}}')"
            )
            assert found.fetchall() == []


def test_all_rows_are_within_the_days_unless_clock_changes_are_planned(tmp_path: Path) -> None:
    lake = Lake(FolderTableStorage(tmp_path / "lake"))
    plan = SeedPlan(tenant="acme", until=date(2026, 11, 20), calls=300, days=5)
    counts = seed(lake, plan)
    for name, table in TABLES.items():
        if table.event_time is None:
            continue
        # A brand post is drafted up to three weeks before it is due; a call may end after the last day.
        drafted = timedelta(days=22 if name == "brand_post" else 0)
        with database(seen(lake, table)) as connection:
            bounds = {"start": plan.start - drafted, "end": plan.end + timedelta(hours=1)}
            outside = connection.execute(
                f"SELECT count(*) FROM typed WHERE {table.event_time} < $start OR {table.event_time} >= $end", bounds
            ).fetchone()
            assert outside == (0,), name
    assert counts["call"] == plan.calls


def test_a_plan_may_be_tiny_or_in_the_past(tmp_path: Path) -> None:
    lake = Lake(FolderTableStorage(tmp_path / "lake"))
    plan = SeedPlan(tenant="acme", until=date(2024, 2, 29), calls=1, days=1)
    assert seed(lake, plan)["call"] == 1
    assert len(stored(lake, TABLES["call"])) == 1
    with pytest.raises(ValueError, match="at least"):
        replace(plan, calls=0)


def test_the_steps_of_a_flow_follow_each_other(db: duckdb.DuckDBPyConnection) -> None:
    run = "PARTITION BY flow_execution_id ORDER BY step_order"
    db.execute(
        f"CREATE TEMP TABLE walk AS SELECT *, row_number() OVER ({run}) - 1 AS position, "
        f"lead(started_at) OVER ({run}) AS next FROM flow_step"
    )
    none(db, "SELECT * FROM walk WHERE position <> step_order")
    none(
        db, "SELECT * FROM walk WHERE started_at + to_milliseconds(step_milliseconds) <> coalesce(next, flow_ended_at)"
    )
    # A run lies within the waiting time of its call; calls of unfinished runs are not rows yet.
    none(
        db,
        "SELECT * FROM flow_step AS s LEFT JOIN call AS c ON c.carrier_call_id = s.carrier_call_id "
        "WHERE (s.flow_ended_at IS NULL) <> (c.call_id IS NULL) OR s.started_at < c.started_at "
        "OR s.flow_ended_at <> c.started_at + to_seconds(c.wait_seconds)",
    )
    some(db, "flow_step", "flow_ended_at IS NULL", "exit IS NULL", "exit = 'call_aborted'", "component = 'Voicemail'")


def test_a_dialled_call_agrees_with_its_call(db: duckdb.DuckDBPyConnection) -> None:
    none(
        db,
        "SELECT * FROM dialer_call AS d LEFT JOIN call AS c ON c.call_id = d.interaction_id WHERE c.call_id IS NULL "
        "OR c.kind NOT IN ('outbound', 'outbound_missed') OR (c.kind = 'outbound') <> (d.agent_id IS NOT NULL) "
        "OR (d.started_at, d.ended_at, d.customer_number) <> (c.started_at, c.ended_at, c.customer_number) "
        "OR d.agent_id <> c.agent_id OR d.team_id <> c.team_id OR d.total_seconds <> c.total_seconds "
        "OR d.transferred_agent_id IS DISTINCT FROM c.handling_agent_id "
        "OR d.disposition IS DISTINCT FROM c.disposition_code OR d.notes IS DISTINCT FROM c.notes "
        "OR d.customer_ringing_seconds + d.queue_seconds + d.agent_ringing_seconds <> c.wait_seconds",
    )
    # Attempts for a record belong to one campaign, count from one, and end with an answer.
    none(
        db,
        "SELECT record_id FROM dialer_call WHERE record_id IS NOT NULL GROUP BY record_id "
        "HAVING count(DISTINCT campaign_id) > 1 OR count(DISTINCT attempt_number) <> count(*) "
        "OR max(attempt_number) <> count(*) OR count(agent_id) > 1 "
        "OR max(attempt_number) FILTER (agent_id IS NOT NULL) <> count(*)",
    )
    some(
        db,
        "dialer_call",
        "attempt_number = 3",
        "callback_mode IS NOT NULL",
        "system_disposition IS NULL",
        "record_id IS NULL",
    )


def test_a_survey_comes_after_its_call_and_agrees_with_it(db: duckdb.DuckDBPyConnection) -> None:
    none(
        db,
        "SELECT * FROM feedback AS f LEFT JOIN call AS c ON c.call_id = f.interaction_id "
        "WHERE c.call_id IS NULL OR f.happened_at < c.ended_at "
        "OR f.agent_id IS DISTINCT FROM coalesce(c.handling_agent_id, c.agent_id) "
        "OR f.is_kpi AND f.response IS NOT NULL "
        "AND (f.response <> CAST(c.csat_score AS VARCHAR) OR f.happened_at <> c.csat_answered_at)",
    )
    none(
        db,
        "SELECT interaction_id FROM feedback GROUP BY interaction_id HAVING count(*) > 1 AND ("
        "max(happened_at) FILTER (component_type = 'End Flow') IS DISTINCT FROM max(happened_at) "
        "OR min(happened_at) FILTER (component_type = 'Ask CSAT') IS DISTINCT FROM min(happened_at))",
    )
    some(
        db, "feedback", "sms_error IS NOT NULL", "recording_url IS NOT NULL", "response = ''", "survey_channel IS NULL"
    )
