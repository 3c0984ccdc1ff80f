"""Copy of the whole state to another database, complete or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, func, make_url, select, text

from offtake.core.admin import identity
from offtake.core.attempt import outcome
from offtake.core.auth import rate_limit
from offtake.core.exports.create import create_export
from offtake.core.policy import PerTenant, Rate
from offtake.core.services import Services
from offtake.errors import QueryFailed, StateError
from offtake.executor.worker import Worker, claim_next
from offtake.home import Home
from offtake.model.tenant import DEFAULT_SCOPES, CredentialKind, Tenant
from offtake.store.database import Database, sqlite_url
from offtake.store.migrate import migrate
from offtake.store.schema import audit, metadata
from offtake.store.transfer import copy_all
from tests.fixtures.commands import command
from tests.fixtures.databases import fresh_database, role_with_password, state_setting
from tests.fixtures.exports import EXPORT, caller, published

SECRET = "s3cret/@:%25 é"
LOOP_EXPORT = replace(EXPORT, dialect="loop", report="inbox_conversations", format="json", row_limit=None)


def silent(what: str, done: int, total: int) -> None:
    """Ignore the progress."""


@pytest.fixture
def on(services: Services) -> Services:
    """Services with rows in most tables."""
    for name in ("acme", "umbra", "zubr-1"):
        identity.add_tenant(Tenant(name=name, company_key=f"key-{name}"), services)
    identity.add_credential(
        "acme", CredentialKind.BASIC, services, user="ann", permissions=identity.Permissions(scopes=DEFAULT_SCOPES)
    )
    published(services)
    create_export(LOOP_EXPORT, caller(), services, key="march")
    create_export(EXPORT, caller(), services)
    lease = claim_next(services, Worker(name="w"))
    assert lease is not None
    outcome.record_outcome(lease, QueryFailed("wrong"), None, services)
    default = replace(services.limits["khoros"].default, rate=Rate(requests=5, period=timedelta(minutes=1)))
    khoros = replace(services, limits={"khoros": PerTenant(default=default)})
    rate_limit.count_request(caller().principal, "khoros", khoros)
    create_export(replace(EXPORT, name="Größe, 日本"), caller("umbra"), services)
    return services


@pytest.fixture
def target(on: Services, tmp_path: Path, postgresql: str) -> Iterator[Database]:
    """An empty database of the other kind."""
    made = Database(fresh_database(postgresql) if on.database.reads_in_process else sqlite_url(tmp_path / "target.db"))
    migrate(made)
    yield made
    made.close()


def rows(database: Database) -> dict[str, dict[tuple[Any, ...], tuple[Any, ...]]]:
    """Return all rows by table and key."""
    found = {}
    with database.stream() as connection:
        for table in metadata.sorted_tables:
            key = [column.name for column in table.primary_key]
            read = connection.execute(select(table)).all()
            found[table.name] = {tuple(row._mapping[name] for name in key): tuple(row) for row in read}
    return found


def test_every_row_is_copied_and_sequences_continue(on: Services, target: Database) -> None:
    seen: list[tuple[int, int]] = []
    counts = copy_all(on.database, target, lambda what, done, total: seen.append((done, total)))
    assert rows(target) == rows(on.database)
    assert counts == {name: len(found) for name, found in rows(target).items()}
    assert {name for name, count in counts.items() if count} >= {"tenant", "credential", "job", "audit", "rate"}
    assert counts["idempotency"] == 1
    assert seen == sorted(seen)
    assert seen[-1][0] == seen[-1][1]
    moved = replace(on, database=target)
    with on.database.read() as connection:
        last = connection.execute(select(func.max(audit.c.id))).scalar_one()
    create_export(EXPORT, caller(), moved)
    with target.read() as connection:
        assert connection.execute(select(func.max(audit.c.id))).scalar_one() == last + 1


def test_more_rows_than_one_batch_are_copied(on: Services, target: Database) -> None:
    for number in range(120):
        for first in ("A", "a", "_", "é", "Z"):
            with on.database.write() as connection:
                connection.execute(
                    text(
                        "INSERT INTO tenant (name, zone, created_at) SELECT :name, zone, created_at FROM tenant"
                        " WHERE name = 'acme'"
                    ),
                    [{"name": f"{first}{number}{extra}"} for extra in ("", "-x")],
                )
    counts = copy_all(on.database, target, silent)
    assert counts["tenant"] > 1_000
    assert rows(target) == rows(on.database)


def test_a_target_that_is_not_empty_is_refused(on: Services, target: Database) -> None:
    copy_all(on.database, target, silent)
    before = rows(target)
    with pytest.raises(StateError, match="not empty"):
        copy_all(on.database, target, silent)
    assert rows(target) == before


def test_a_copy_is_refused_while_an_export_is_running(on: Services, target: Database) -> None:
    assert claim_next(on, Worker(name="w")) is not None
    with pytest.raises(StateError, match="1 exports are running"):
        copy_all(on.database, target, silent)
    assert all(not found for found in rows(target).values())


def test_a_copy_that_differs_is_rolled_back(on: Services, target: Database) -> None:
    """A trigger changes the rows that are written."""
    with target.write() as connection:
        if target.reads_in_process:
            body = "BEGIN UPDATE credential SET scopes = 'admin'; END"
            connection.execute(text(f"CREATE TRIGGER tampering AFTER INSERT ON credential {body}"))
        else:
            connection.execute(
                text(
                    "CREATE FUNCTION tamper() RETURNS trigger LANGUAGE plpgsql AS"
                    " $$ BEGIN NEW.scopes := 'admin'; RETURN NEW; END $$"
                )
            )
            connection.execute(
                text("CREATE TRIGGER tampering BEFORE INSERT ON credential FOR EACH ROW EXECUTE FUNCTION tamper()")
            )
    with pytest.raises(StateError, match="credential differs"):
        copy_all(on.database, target, silent)
    assert all(not found for found in rows(target).values())


def test_a_postgresql_with_other_connections_is_refused(on: Services, target: Database) -> None:
    if on.database.reads_in_process:
        return  # on SQLite the lock on the home prevents it
    direct = on.database.connect_directly()
    with pytest.raises(StateError, match="open"):
        copy_all(on.database, target, silent)
    direct.close()


def test_an_installation_moves_by_command(tmp_path: Path, postgresql: str) -> None:
    home = Home(tmp_path / "home")
    url = fresh_database(postgresql).replace("+psycopg", "").replace("postgres:@", "postgres@")
    home.create()
    password = tmp_path / "password"
    password.write_text(f"{SECRET}\n")
    password.chmod(0o600)
    assert command("tenant", "add", "acme", home=home.root).code == 0
    with home.used():
        refused = command("state", "move", "--to", url, home=home.root)
    assert (refused.code, refused.out) == (11, "")
    assert "is in use by a server or worker" in refused.err
    move = ("state", "move", "--to", url, "--json", "--password-file", str(password))
    moved = command(*move, home=home.root)
    assert moved.code == 0, moved.err
    result = json.loads(moved.out)
    assert result["rows"]["tenant"] == 1
    setting = json.loads(result["setting"].removeprefix("state_url = "))
    assert ":***@" in setting
    assert make_url(setting) == make_url(url).set(password="***")
    assert "s3cret" not in moved.out + moved.err
    again = command("state", "move", "--to", url, home=home.root)
    assert again.code == 11
    assert "not empty" in again.err
    home.settings.write_text(state_setting(url))
    taken = command("tenant", "add", "acme", home=home.root)
    assert taken.code == 7  # the tenant exists
    with home.alone():
        assert command("serve", "--port", "0", home=home.root).code == 11


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ann:s3cret@127.0.0.1:1/x",
        "postgresql://ann@127.0.0.1:1/x?password=s3cret",
        "postgresql://ann:s3cret/@@127.0.0.1:1/x",
    ],
)
def test_a_password_on_the_command_line_is_refused_and_not_repeated(url: str, tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.create()
    done = command("state", "move", "--to", url, home=home.root)
    assert done.code == 2
    assert "--password-file" in done.err
    assert "OFFTAKE_MOVE_PASSWORD" in done.err
    assert "s3cret" not in done.out + done.err


def test_the_password_comes_from_a_private_file_or_the_environment(tmp_path: Path, postgresql: str) -> None:
    made = Home(tmp_path / "home")
    made.create()
    assert command("tenant", "add", "acme", home=made.root).code == 0
    role_with_password(postgresql, "mover", SECRET)
    empty = make_url(fresh_database(postgresql))
    engine = create_engine(postgresql, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f'ALTER DATABASE "{empty.database}" OWNER TO mover'))
    engine.dispose()
    url = empty.set(drivername="postgresql", username="mover", password=None).render_as_string()
    to = ("state", "move", "--to", url, "--json")
    assert command(*to, home=made.root).code == 10
    password = tmp_path / "password"
    password.write_text(f"{SECRET}\n")
    password.chmod(0o644)
    opened = command(*to, "--password-file", str(password), home=made.root)
    assert opened.code == 4
    assert "is readable by other users" in opened.err
    moved = command(*to, home=made.root, environment={"OFFTAKE_MOVE_PASSWORD": SECRET})
    assert moved.code == 0, moved.err
    password.chmod(0o600)
    again = command(*to, "--password-file", str(password), home=made.root)
    assert (again.code, SECRET in again.err) == (11, False)
    assert "not empty" in again.err


def test_only_a_url_with_a_password_asks_for_one(tmp_path: Path, postgresql: str) -> None:
    made = Home(tmp_path / "home")
    made.create()
    to_file = command("state", "move", "--to", f"sqlite:///{tmp_path}/new.db", home=made.root)
    assert to_file.code == 0, to_file.err
    assert "password" not in to_file.out
    assert f'state_url = "sqlite:///{tmp_path}/new.db"' in to_file.out
    url = fresh_database(postgresql).replace("+psycopg", "").replace("postgres:@", "postgres@")
    to_server = command("state", "move", "--to", url, home=made.root, environment={"OFFTAKE_MOVE_PASSWORD": SECRET})
    assert to_server.code == 0, to_server.err
    assert "with the password in place of ***" in to_server.out


@pytest.mark.parametrize("name", ["state.db", "../home/state.db", "hard.db", "soft.db", "fifo", "lake/x.db"])
def test_a_target_file_that_is_taken_is_refused(name: str, tmp_path: Path) -> None:
    made = Home(tmp_path / "home")
    made.create()
    assert command("tenant", "add", "acme", home=made.root).code == 0
    (made.root / "hard.db").hardlink_to(made.state)
    (made.root / "soft.db").symlink_to(made.state)
    os.mkfifo(made.root / "fifo")
    done = command("state", "move", "--to", f"sqlite:///{made.root}/{name}", home=made.root)
    assert (done.code, done.out) == (9 if name in ("fifo", "lake/x.db") else 11, "")
