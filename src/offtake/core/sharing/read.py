"""What a recipient sees of the shared tables of its tenant.

A table that the credential may not read does not exist for it: neither its share, nor its schema, nor the table is
listed, and all answers about it are those about an unknown one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from offtake.catalogue.publication import NATIVE
from offtake.core.auth.authorization import require
from offtake.core.auth.caller import Caller
from offtake.core.exports.download import RETRY_SECONDS, UNREADABLE
from offtake.core.exports.manifest import read_manifest
from offtake.core.exports.read import JobRef
from offtake.core.services import Services
from offtake.errors import (
    ArtifactGone,
    JobNotFound,
    JobStateConflict,
    NotPermitted,
    SharedTableNotFound,
    SharedVersionNotFound,
    StorageUnavailable,
    Unavailable,
)
from offtake.formats.parquet_footer import decimal_columns
from offtake.model.column_type import ColumnType
from offtake.model.job import Job
from offtake.model.manifest import Manifest
from offtake.model.shared_table import SharedTable, SharedVersion, TableName
from offtake.model.tenant import Principal, Scope
from offtake.store import shared_tables


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionQuery:
    """Which version of a table is read: without any field the newest one; else at most one field is set."""

    number: int | None = None
    at: datetime | None = None  # the version that was the newest one at this instant
    since: datetime | None = None  # the first version that was published at this instant or later


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenVersion:
    """A version with the export that it consists of."""

    table: SharedTable
    version: SharedVersion
    job: Job
    manifest: Manifest
    decimals: Mapping[str, tuple[int, int]]  # precision and scale of columns that are exact decimals


def visible_tables(by: Caller, on: Services, *, share: str | None = None) -> list[SharedTable]:
    """Return the tables that the caller may read, by share, schema and name.

    Of a share that it may not read, or that does not exist, there are none. Raises NotPermitted.
    """
    require(by.principal, Scope.READ)
    with on.database.read() as connection:
        tables = shared_tables.of_tenant(connection, by.principal.tenant, share=share)
    return [table for table in tables if _may_read(by.principal, table)]


def find_table(name: TableName, by: Caller, on: Services) -> SharedTable:
    """Return a table that the caller may read. Raises SharedTableNotFound for any other name, NotPermitted."""
    require(by.principal, Scope.READ)
    with on.database.read() as connection:
        table = shared_tables.get(connection, by.principal.tenant, name)
    if table is None or not _may_read(by.principal, table):
        raise unknown()
    return table


def find_version(table: SharedTable, wanted: VersionQuery, on: Services) -> SharedVersion:
    """Return a version whose files are available. Raises SharedVersionNotFound."""
    with on.database.read() as connection:
        versions = shared_tables.versions(connection, table.id, now=on.now(connection))
    if not versions:
        raise SharedVersionNotFound("The table has no version at present; ask its provider for one.")
    found = _select(versions, wanted)
    if found is None:
        raise SharedVersionNotFound(f"The table has no such version. {_available(versions)}")
    return found


def open_version(table: SharedTable, wanted: VersionQuery, by: Caller, on: Services) -> OpenVersion:
    """Return a version with its manifest. Raises SharedTableNotFound, SharedVersionNotFound."""
    version = find_version(table, wanted, on)
    try:
        job, manifest = read_manifest(JobRef(id=version.job, dialect=NATIVE), by, on)
    except NotPermitted as error:  # a column has become personal since
        raise unknown() from error
    except (JobNotFound, ArtifactGone, JobStateConflict) as error:  # removed since its version was found
        raise SharedVersionNotFound("The version is no longer available.") from error
    return OpenVersion(table=table, version=version, job=job, manifest=manifest, decimals=_decimals(manifest, on))


def unknown() -> SharedTableNotFound:
    """Return the only answer about shares, schemas and tables that do not exist or that the caller may not read."""
    return SharedTableNotFound("There is no such share, schema or table.")


def _may_read(principal: Principal, table: SharedTable) -> bool:
    access = principal.access
    is_permitted = access.allows_share(table.name.share) and access.allows(table.report)
    return is_permitted and (access.personal or not table.personal)


def _decimals(manifest: Manifest, on: Services) -> Mapping[str, tuple[int, int]]:
    """Return what the manifest does not say: whether a column of decimals is exact. All files have the same columns.

    Raises Unavailable if the artifact store does not respond.
    """
    if not any(column.type == ColumnType.DECIMAL for column in manifest.columns):
        return {}
    first = manifest.files[0]
    try:
        return decimal_columns(partial(on.artifacts.read, first.key), first.bytes)
    except StorageUnavailable as error:
        raise Unavailable(UNREADABLE, retry_after=RETRY_SECONDS) from error


def _select(versions: Sequence[SharedVersion], wanted: VersionQuery) -> SharedVersion | None:
    """Return the wanted one of the versions, which are sorted by number."""
    if wanted.number is not None:
        return next((each for each in versions if each.number == wanted.number), None)
    if wanted.at is not None:
        return next((each for each in reversed(versions) if each.published_at <= wanted.at), None)
    if wanted.since is not None:
        return next((each for each in versions if each.published_at >= wanted.since), None)
    return versions[-1]


def _available(versions: Sequence[SharedVersion]) -> str:
    first, last = versions[0], versions[-1]
    return (
        f"Available are {first.number} to {last.number}, published from {first.published_at:%Y-%m-%dT%H:%M:%SZ} "
        f"until {last.published_at:%Y-%m-%dT%H:%M:%SZ}."
    )
