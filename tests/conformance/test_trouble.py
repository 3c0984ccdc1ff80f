"""Faults of the database server: each raises Unavailable, and no message contains the password."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import Connection, text

from offtake.errors import SettingsError, Unavailable
from offtake.model.tenant import Tenant
from offtake.store import identity
from offtake.store.database import Database
from tests.fixtures.databases import role_with_password
from tests.fixtures.exports import NOON

END_OF_OTHERS = "SELECT pg_terminate_backend(:pid, 10000)"


def tenants(database: Database) -> list[str]:
    with database.read() as connection:
        return list(connection.execute(text("SELECT name FROM tenant ORDER BY name")).scalars())


def idle_after(database: Database, timeout: str) -> str:
    """Return the URL of the same database with that idle timeout of transactions."""
    options = {"options": f"-c idle_in_transaction_session_timeout={timeout}"}
    return database.url.update_query_dict(options).render_as_string(hide_password=False)


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
class TestServer:
    """Faults of a database server, which SQLite does not have."""

    def test_a_connection_lost_in_a_transaction_rolls_it_back(self, database: Database) -> None:
        def transaction() -> None:
            with database.write() as connection:
                identity.add_tenant(connection, Tenant(name="half"), now=NOON)
                pid = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
                with database.write() as other:
                    assert other.execute(text(END_OF_OTHERS), {"pid": pid}).scalar_one()
                identity.add_tenant(connection, Tenant(name="other half"), now=NOON)

        with pytest.raises(Unavailable):
            transaction()
        assert tenants(database) == []

    def test_a_connection_lost_before_the_commit_is_unavailable(self, database: Database) -> None:
        def cut_off(connection: Connection) -> None:
            pid = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
            with database.write() as other:
                other.execute(text(END_OF_OTHERS), {"pid": pid})

        def transaction() -> None:
            with database.write() as connection:
                identity.add_tenant(connection, Tenant(name="lost"), now=NOON)
                cut_off(connection)

        with pytest.raises(Unavailable):
            transaction()
        assert tenants(database) == []

    def test_idle_connections_that_the_server_closed_are_replaced(self, database: Database) -> None:
        assert tenants(database) == []
        direct = database.connect_directly()
        ended = "SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
        found = direct.execute(f"{ended} AND datname = current_database()").fetchone()
        direct.close()
        assert found is not None
        assert found[0] >= 1
        assert tenants(database) == []

    def test_a_suspended_transaction_loses_its_locks(self, database: Database) -> None:
        impatient = Database(idle_after(database, "100ms"))

        def transaction() -> None:
            with impatient.write() as connection:
                identity.add_tenant(connection, Tenant(name="acme"), now=NOON)
                with database.write() as other:
                    other.execute(text("SET LOCAL lock_timeout = '30s'"))
                    identity.add_tenant(other, Tenant(name="acme"), now=NOON)  # waits for the end of the first
                connection.execute(text("SELECT 1"))

        with pytest.raises(Unavailable):
            transaction()
        assert tenants(database) == ["acme"]
        impatient.close()

    def test_the_idle_timeout_of_the_url_overrides_the_default(self, database: Database) -> None:
        patient = Database(idle_after(database, "5min"))
        for opened, expected in ((database, "1min"), (patient, "5min")):
            with opened.write() as connection:
                assert connection.execute(text("SHOW idle_in_transaction_session_timeout")).scalar_one() == expected
        patient.close()

    @pytest.mark.parametrize("level", ["SERIALIZABLE", "REPEATABLE READ"])
    def test_a_serialization_failure_is_unavailable(self, database: Database, level: str) -> None:
        with database.write() as connection:
            identity.add_tenant(connection, Tenant(name="acme"), now=NOON)

        def transaction() -> None:
            with database.write() as connection:
                connection.execute(text(f"SET TRANSACTION ISOLATION LEVEL {level}"))
                connection.execute(text("SELECT * FROM tenant")).all()
                with database.write() as other:
                    other.execute(text("UPDATE tenant SET zone = 'Asia/Tokyo'"))
                connection.execute(text("UPDATE tenant SET zone = 'Europe/Prague'"))

        with pytest.raises(Unavailable):
            transaction()

    def test_a_deadlock_is_unavailable_for_one_of_the_two(self, database: Database) -> None:
        with database.write() as connection:
            for name in ("one", "two"):
                identity.add_tenant(connection, Tenant(name=name), now=NOON)
        both, outcomes = threading.Barrier(2), []

        def lock(first: str, second: str) -> None:
            try:
                with database.write() as connection:
                    connection.execute(text("UPDATE tenant SET zone = 'x' WHERE name = :name"), {"name": first})
                    both.wait(60)
                    connection.execute(text("UPDATE tenant SET zone = 'y' WHERE name = :name"), {"name": second})
                outcomes.append("done")
            except Unavailable:
                outcomes.append("unavailable")

        threads = [threading.Thread(target=lock, args=pair) for pair in (("one", "two"), ("two", "one"))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(outcomes) == ["done", "unavailable"]

    def test_a_server_that_has_become_read_only_is_unavailable(self, database: Database) -> None:
        def transaction() -> None:
            with database.write() as connection:
                connection.execute(text("SET TRANSACTION READ ONLY"))
                identity.add_tenant(connection, Tenant(name="acme"), now=NOON)

        with pytest.raises(Unavailable):
            transaction()


SECRET = "s3cret-pass"


def reasons(postgresql: str) -> dict[str, str]:
    """Return URLs that cannot be connected to, each with a part of the expected message."""
    there = postgresql.replace("+psycopg", "")
    return {
        f"postgresql://ann:{SECRET}@127.0.0.1:1/offtake": "refused",
        f"postgresql://ann:{SECRET}@no-such-host.invalid/offtake": "no-such-host.invalid",
        there.replace("/postgres?", "/nothing?"): '"nothing" does not exist',
        there.replace("postgres:", f"unknown:{SECRET}"): '"unknown" does not exist',
        role_with_password(postgresql, "careful", "another").replace(
            "another", SECRET
        ): "password authentication failed",
    }


def test_a_connection_failure_is_reported_without_the_password(postgresql: str) -> None:
    for url, reason in reasons(postgresql).items():
        database = Database(url)
        with pytest.raises(Unavailable) as refused:
            database.check_connection()
        assert reason in refused.value.message
        assert SECRET not in refused.value.message
        with pytest.raises(Unavailable) as met, database.read() as connection:
            connection.execute(text("SELECT 1"))
        # API clients get no details.
        assert met.value.message == "The job store cannot be reached; retry after 2 seconds."
        database.close()


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://ann:{SECRET}@{SECRET}@host/offtake",
        f"postgresql://ann:{SECRET}@host:{SECRET}/offtake",
        f"postgresql:/ann:{SECRET}",
    ],
)
def test_an_invalid_url_is_a_settings_error_that_does_not_quote_it(url: str) -> None:
    with pytest.raises(SettingsError) as refused:
        Database(url)
    assert "state_url" in refused.value.message
    assert SECRET not in refused.value.message


def test_a_file_that_cannot_be_opened_is_reported() -> None:
    with pytest.raises(Unavailable, match="unable to open database file"):
        Database("sqlite:////no-such-folder/state.db").check_connection()


def test_the_right_password_connects(postgresql: str) -> None:
    database = Database(role_with_password(postgresql, "welcome", SECRET))
    database.check_connection()
    database.close()
