"""Removal of a person's values from the records of a tenant in the state database."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import JSON, Column, Connection, Row, String, Table, and_, delete, func, null, or_, select, update

from offtake.model.data_subject import ERASED, DataSubject
from offtake.store.schema import audit, credential, erasure, metadata, tenant, token

_BATCH_SIZE = 1_000  # rows
# Columns that never hold a value of a person, or whose rows other records need; they are not searched.
_NOT_SEARCHED = frozenset(
    {"tenant", "status", "dialect", "report", "format", "kind", "scopes", "sha256", "secret_hash"}
)


def scrub(connection: Connection, name: str, subject: DataSubject) -> dict[str, int]:
    """Replace or remove the person's values in all records of the tenant; return the number of rows by table.

    A row whose key holds the person is removed; elsewhere the value is replaced. Credentials of the person are
    revoked. Run it in one transaction.
    """
    counts = {credential.name: _revoke(connection, name, subject)}
    for table in metadata.sorted_tables:
        if table not in (tenant, credential, erasure, audit):
            counts[table.name] = _scrub_table(connection, table, name, subject)
    counts[audit.name] = _scrub_audit(connection, name, subject)
    return {table: count for table, count in counts.items() if count}


def _scrub_table(connection: Connection, table: Table, name: str, subject: DataSubject) -> int:
    condition = _of_tenant(table, name)
    searched = [each for each in table.c if isinstance(each.type, String | JSON) and each.name not in _NOT_SEARCHED]
    if condition is None or not searched:
        return 0
    keys = list(table.primary_key.columns)
    changed = 0
    for row in _rows(connection, table, condition, [*keys, *searched]):
        values = {each.name: row._mapping[each] for each in searched}
        clean = {column: subject.without(value) for column, value in values.items()}
        if clean == values:
            continue
        changed += 1
        same = and_(*(key == row._mapping[key] for key in keys))
        if any(clean.get(key.name, row._mapping[key]) != row._mapping[key] for key in keys):
            connection.execute(delete(table).where(same))
        else:
            connection.execute(update(table).where(same).values(clean))
    return changed


def _rows(connection: Connection, table: Table, condition: Any, columns: Sequence[Column[Any]]) -> list[Row[Any]]:
    statement = select(*dict.fromkeys(columns)).select_from(table).where(condition)
    return list(connection.execute(statement.execution_options(yield_per=_BATCH_SIZE)))


def _revoke(connection: Connection, name: str, subject: DataSubject) -> int:
    """Revoke the credentials of the person, and remove the person's name from them."""
    revoked = 0
    of_tenant = credential.c.tenant == name
    for row in connection.execute(select(credential.c.id, credential.c.user, credential.c.name).where(of_tenant)).all():
        user_is_subject = row.user is not None and subject.is_in(row.user)
        if not user_is_subject and not subject.is_in(row.name):
            continue
        values: dict[str, Any] = {"name": subject.without(row.name)}
        if user_is_subject:
            values |= {"user": null(), "revoked": True}
            connection.execute(delete(token).where(token.c.credential == row.id))
        connection.execute(update(credential).where(credential.c.id == row.id).values(values))
        revoked += 1
    return revoked


def _scrub_audit(connection: Connection, name: str, subject: DataSubject) -> int:
    """Replace the person in the audit log, which keeps its entries. Its texts are people's addresses as a whole."""
    changed = 0
    for column in (audit.c.actor, audit.c.effective):
        found = and_(audit.c.tenant == name, func.lower(column).in_(sorted(subject.emails)))
        changed += connection.execute(update(audit).where(found).values({column.name: ERASED})).rowcount
    return changed


def _of_tenant(table: Table, name: str) -> Any:
    """Return the condition on the tenant's rows; None for a table that is of no tenant."""
    if "tenant" in table.c:
        return table.c.tenant == name
    found = [
        key.parent.in_(select(key.column).where(condition))
        for key in table.foreign_keys
        if (condition := _of_tenant(key.column.table, name)) is not None
    ]
    return or_(*found) if found else None
