"""Sample data of messaging: contacts of an interaction follow each other, and messages lie within their contact."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import duckdb
import pytest

from offtake.lake.delta import Lake
from offtake.lake.seed import SIZES, SeedPlan, seed
from tests.unit.lake.stored import TABLES, seen

PLAN = SeedPlan(tenant="acme", until=date(2026, 11, 20), calls=SIZES["small"])
OWN = ("virtual_agent", "messaging_contact", "messaging_traffic")


@pytest.fixture(scope="module")
def db(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    lake = Lake(tmp_path_factory.mktemp("seeded") / "lake")
    seed(lake, PLAN)
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for name in OWN:
            files = list(seen(lake, TABLES[name]).files)
            options = "hive_partitioning = true, hive_types_autocast = false"
            connection.execute(f'CREATE TABLE "{name}" AS SELECT * FROM read_parquet({files!r}, {options})')
        yield connection


def _none(db: duckdb.DuckDBPyConnection, sql: str) -> None:
    assert db.execute(sql).fetchall() == []


@pytest.mark.parametrize("name", OWN)
def test_optional_columns_are_filled_and_have_gaps(db: duckdb.DuckDBPyConnection, name: str) -> None:
    for column in TABLES[name].columns:
        if column.name not in TABLES[name].must_have:
            counted = f'SELECT count("{column.name}") > 0, count("{column.name}") < count(*) FROM {name}'
            assert db.execute(counted).fetchone() == (True, True), column.name
        if column.values:
            found = db.execute(f'SELECT DISTINCT "{column.name}" FROM {name}').fetchall()
            assert {value for (value,) in found} - {None} == set(column.values)


def test_contacts_of_an_interaction_follow_each_other(db: duckdb.DuckDBPyConnection) -> None:
    following = (
        "SELECT *, lead(started_at) OVER (PARTITION BY interaction_id ORDER BY started_at) AS next_at "
        "FROM messaging_contact"
    )
    _none(
        db, f"SELECT * FROM ({following}) WHERE next_at IS NOT NULL AND (finished_at > next_at OR NOT is_transfer_out)"
    )
    _none(db, "SELECT * FROM messaging_contact WHERE agent_id IS NOT NULL AND virtual_agent_id IS NOT NULL")
    _none(db, "SELECT * FROM messaging_contact WHERE assigned_at < started_at OR assigned_at > finished_at")
    _none(
        db,
        "SELECT * FROM messaging_contact WHERE handle_seconds > "
        "(epoch_us(finished_at) - epoch_us(started_at)) // 1000000 + coalesce(wrap_up_seconds, 0)",
    )
    assert db.execute(f"SELECT count(*) > 0 FROM ({following}) WHERE next_at IS NOT NULL").fetchone() == (True,)
    assert db.execute("SELECT count(*) > 0 FROM messaging_contact WHERE finished_at IS NULL").fetchone() == (True,)


def test_messages_lie_within_their_contact(db: duckdb.DuckDBPyConnection) -> None:
    joined = "messaging_traffic AS message LEFT JOIN messaging_contact AS contact USING (contact_id)"
    _none(
        db, f"SELECT * FROM {joined} WHERE started_at IS NULL OR created_at < started_at OR created_at >= finished_at"
    )
    _none(db, f"SELECT * FROM {joined} WHERE message.agent_id <> contact.agent_id")
    _none(db, "SELECT * FROM messaging_traffic WHERE agent_id IS NOT NULL AND direction = 'inbound'")
