"""INSERT … ON CONFLICT, which SQLAlchemy provides in a separate module per database."""

from __future__ import annotations

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite


def insert_into(connection: Connection, table: Table) -> postgresql.Insert | sqlite.Insert:
    """Return an INSERT for the connection's database."""
    return insert_of(connection.dialect.name, table)


def insert_of(database: str, table: Table) -> postgresql.Insert | sqlite.Insert:
    """Return an INSERT for a database by its name in SQLAlchemy."""
    return postgresql.insert(table) if database == "postgresql" else sqlite.insert(table)
