"""Record a change of rows: an intent before it is committed to the lake, and its outcome afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection

from offtake.core.loads.resolve import resolve, resolve_all
from offtake.core.services import Services
from offtake.errors import LakeError, OfftakeError, Unavailable, UnknownName
from offtake.lake.ingest.upsert import Change, Stored
from offtake.lake.running import marked_running
from offtake.lake.tables import tables
from offtake.model.load import LoadRecord, LoadState, NewLoad
from offtake.store import identity, loads


@dataclass(slots=True)
class Recording:
    """A change whose record is running. Pass ``change`` to the lake, and then its outcome to ``finish``."""

    id: str
    change: Change
    finish: Callable[[Stored], None] = field(repr=False)
    declare: Callable[[datetime], None] = field(repr=False)  # how far the table is complete once the change is


@contextmanager
def recorded(
    new: NewLoad, on: Services, *, begin: Callable[[Connection, str], None] | None = None
) -> Iterator[Recording]:
    """Record a change while the block makes it; without an outcome it has failed, unless the lake has it.

    ``begin`` gets the id in the transaction that adds the record, and what it raises prevents the change. Records of
    killed processes are resolved first. Raises UnknownName, StorageUnavailable, LakeError, Unavailable.
    """
    resolve_all(on, table=new.table)
    table = tables()[new.table]
    delta = on.lake.open(table)
    load_id = on.new_id()

    def finish(stored: Stored) -> None:
        try:
            with on.database.write() as connection:
                version, counts = stored.version, stored.counts.as_mapping()
                loads.commit(connection, load_id, version=version, counts=counts, now=on.now(connection))
        except Unavailable as error:
            message = f"The change is stored, and the next command completes its record {load_id}. {error.message}"
            raise Unavailable(message, retry_after=error.retry_after) from error

    def declare(complete_until: datetime) -> None:
        with on.database.write() as connection:
            loads.declare(connection, load_id, complete_until)

    with marked_running(on.lake.storage.staging, load_id):
        with on.database.write() as connection:
            tenant = identity.get_tenant(connection, new.tenant)
            if tenant is not None and tenant.removing_at is not None:
                raise UnknownName(f"The tenant {new.tenant} is being removed; nothing was changed.")
            base_version = None if delta is None else delta.version()
            if begin is not None:
                begin(connection, load_id)
            loads.add(connection, load_id, new, base_version=base_version, now=on.now(connection))
        change = Change(id=load_id, confirm=lambda: _require_running(load_id, on))
        try:
            yield Recording(load_id, change, finish, declare)
        except BaseException as error:
            code = error.code if isinstance(error, OfftakeError) else "interrupted"
            resolve(_get(load_id, on), on, failure=code)
            raise


def _get(load_id: str, on: Services) -> LoadRecord:
    with on.database.read() as connection:
        record = loads.get(connection, load_id)
    if record is None:
        raise LakeError(f"The record of the load {load_id} was removed while it ran; nothing was changed.")
    return record


def _require_running(load_id: str, on: Services) -> None:
    """Refuse to commit a change whose record another process has resolved."""
    if _get(load_id, on).state is not LoadState.RUNNING:
        raise LakeError(
            f"The load {load_id} was recorded as failed, because its process seemed to have ended. Nothing was "
            "changed; run the command again."
        )
