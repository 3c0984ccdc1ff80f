"""Removal of a person's values from the records of a tenant in the state database."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import JSON, Column, Connection, Row, String, Table, and_, delete, null, or_, select, update

from offtake.model.data_subject import ERASED, DataSubject
from offtake.store import installation
from offtake.store.schema import audit, credential, erasure, idempotency, load, metadata, source_file, tenant, token
from offtake.store.source_files import erased_name

_BATCH_SIZE = 1_000  # rows
# Columns with names of the product's own, which are not searched, as are keys of rows and references to them.
_NOT_SEARCHED = frozenset(
    {"tenant", "reference", "principal", "dialect", "report", "report_version", "format", "status", "phase", "kind"}
    | {
        "artifact_key",
        "key",
        "sha256",
        "digest",
        "hash",
        "family",
        "lease_worker",
        "held_by",
        "failure_code",
        "failure",
    }
    | {"table_name", "mapping_digest", "undoes", "undone_by", "state", "operation", "job"}
)


def searched_tables() -> list[str]:
    """Return the tables whose rows ``scrub`` may change or remove."""
    return [
        table.name
        for table in metadata.sorted_tables
        if table in (source_file, token)
        or (_of_tenant(table, "") is not None and any(_is_searched(table, each) for each in table.c))
    ]


def scrub(connection: Connection, name: str, subject: DataSubject) -> dict[str, int]:
    """Replace or remove the person's values in all records of the tenant; return the number of rows by table.

    A row whose key holds the person is removed; elsewhere the value is replaced. Credentials of the person are
    revoked. Run it in one transaction.
    """
    counts = {credential.name: _revoke(connection, name, subject)}
    for table in metadata.sorted_tables:
        if table not in (tenant, credential, erasure, audit, source_file):
            counts[table.name] = _scrub_table(connection, table, name, subject)
    counts[source_file.name] = _scrub_source_files(connection, name, subject)
    counts[audit.name] = _scrub_audit(connection, name, subject)
    return {table: count for table, count in counts.items() if count}


def _scrub_table(connection: Connection, table: Table, name: str, subject: DataSubject) -> int:
    condition = _of_tenant(table, name)
    searched = [each for each in table.c if _is_searched(table, each)]
    if condition is None or not searched:
        return 0
    keys = list(table.primary_key.columns)
    changed = 0
    for row in _rows(connection, table, condition, [*keys, *searched]):
        values = {each.name: row._mapping[each] for each in searched}
        clean = {column: _clean(value, subject, in_names=table is load) for column, value in values.items()}
        if clean == values:
            continue
        changed += 1
        same = and_(*(key == row._mapping[key] for key in keys))
        if any(clean.get(key.name, row._mapping[key]) != row._mapping[key] for key in keys):
            connection.execute(delete(table).where(same))
        else:
            connection.execute(update(table).where(same).values(clean))
    return changed


def _is_searched(table: Table, column: Column[Any]) -> bool:
    """Whether the column may hold a value of a person: JSON, and texts that are not names of the product's own."""
    if table is idempotency and column.name in ("owner", "key"):  # a client chooses the key
        return True
    has_text = isinstance(column.type, String | JSON)
    return has_text and not (column.primary_key or column.foreign_keys or column.name in _NOT_SEARCHED)


def _clean(value: Any, subject: DataSubject, *, in_names: bool = False) -> Any:
    """Return the value without the person. Of texts that are no JSON, only those that mention the person change.

    ``in_names`` also finds an id of the person within a text of JSON, as in the name of a file.
    """
    if isinstance(value, str):
        return ERASED if subject.is_mentioned(value) else value
    return subject.without(value, in_names=in_names)


def _rows(connection: Connection, table: Table, condition: Any, columns: Sequence[Column[Any]]) -> list[Row[Any]]:
    statement = select(*dict.fromkeys(columns)).select_from(table).where(condition)
    return list(connection.execute(statement.execution_options(yield_per=_BATCH_SIZE)))


def _revoke(connection: Connection, name: str, subject: DataSubject) -> int:
    """Revoke the credentials of the person, and remove the person's name from them."""
    revoked = 0
    of_tenant = credential.c.tenant == name
    for row in connection.execute(select(credential.c.id, credential.c.user, credential.c.name).where(of_tenant)).all():
        user_is_subject = row.user is not None and subject.is_mentioned(row.user)
        if not user_is_subject and not subject.is_mentioned(row.name):
            continue
        values: dict[str, Any] = {"name": _clean(row.name, subject)}
        if user_is_subject:
            values |= {"user": null(), "revoked": True}
            connection.execute(delete(token).where(token.c.credential == row.id))
        connection.execute(update(credential).where(credential.c.id == row.id).values(values))
        revoked += 1
    return revoked


def _scrub_source_files(connection: Connection, name: str, subject: DataSubject) -> int:
    """Replace names of files. The record stays, because the file would be loaded again otherwise."""
    key = installation.get(connection, installation.ERASURE_KEY)
    if key is None:
        return 0  # no erasure has begun
    names = select(source_file.c.source, source_file.c.name).where(source_file.c.tenant == name)
    found = [row for row in connection.execute(names).all() if subject.is_in_name(row.name)]
    for row in found:
        same = and_(source_file.c.tenant == name, source_file.c.source == row.source, source_file.c.name == row.name)
        connection.execute(update(source_file).where(same).values(name=erased_name(key, name, row.name)))
    return len(found)


def _scrub_audit(connection: Connection, name: str, subject: DataSubject) -> int:
    """Replace the person in the audit log, which keeps its entries: in names of users, which recur."""
    changed = 0
    for column in (audit.c.actor, audit.c.effective):
        users = connection.execute(select(column).distinct().where(audit.c.tenant == name, column.is_not(None)))
        for user in [each for each in users.scalars().all() if subject.is_mentioned(each)]:
            of_user = and_(audit.c.tenant == name, column == user)
            changed += connection.execute(update(audit).where(of_user).values({column.name: ERASED})).rowcount
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
