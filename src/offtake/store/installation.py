"""Statements on the values that an installation has once."""

from __future__ import annotations

from sqlalchemy import Connection, select

from offtake.store.inserts import insert_into
from offtake.store.schema import installation

ERASURE_KEY = "erasure_key"  # of the hashes that stand for erased persons
LOGIN_SALT = "login_salt"  # from which the salts of all login names are derived


def get(connection: Connection, name: str) -> str | None:
    """Return the value of that name."""
    return connection.execute(select(installation.c.value).where(installation.c.name == name)).scalar_one_or_none()


def add(connection: Connection, name: str, value: str) -> str:
    """Add a value unless the installation has one of that name. Return the one it has."""
    connection.execute(insert_into(connection, installation).values(name=name, value=value).on_conflict_do_nothing())
    return str(connection.execute(select(installation.c.value).where(installation.c.name == name)).scalar_one())
