"""The dialect's endpoints: lists of shares, schemas and tables; version, metadata and files of a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn, TypeVar

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from offtake.core.exports.download import grant, link, presigned_link
from offtake.core.sharing import read
from offtake.core.sharing.read import OpenVersion, VersionQuery
from offtake.errors import InvalidRequest
from offtake.http.downloads import link_path
from offtake.model.artifact import ArtifactFile
from offtake.model.shared_table import SharedTable, SharedVersion
from offtake.model.tenant import Scope
from offtake.wire.dialect import Wire
from offtake.wire.endpoint import Endpoint, add_document, decode_nothing, new_router, require_scope
from offtake.wire.pipeline import add_endpoints
from offtake.wire.sharing.auth import SharingCall, authenticate, limit_rate
from offtake.wire.sharing.openapi import DOCUMENT_PATH, document
from offtake.wire.sharing.operations import OPERATIONS
from offtake.wire.sharing.requests import (
    Key,
    Page,
    QueryBody,
    cut,
    decode_metadata,
    decode_page,
    decode_query,
    decode_since,
    share_name,
    table_name,
)
from offtake.wire.sharing.responses import LinkedFile, encode_items, encode_opened, encode_table, encode_version
from offtake.wire.sharing.settings import SharingSettings
from offtake.wire.sharing.tables import NAME, SIGNED_MARK

Decoded = TypeVar("Decoded")
Result = TypeVar("Result")


def router(wire: Wire[SharingSettings]) -> APIRouter:
    """All routes of the dialect."""
    routes = new_router(wire.dialect)
    add_endpoints(routes, OPERATIONS, _ENDPOINTS, wire)
    add_document(routes, DOCUMENT_PATH, document(wire.on.catalogue, wire.public_url))
    return routes


def _endpoint(
    decode: Callable[[SharingCall], Decoded],
    act: Callable[[SharingCall, Decoded], Result],
    encode: Callable[[SharingCall, Decoded, Result], Response],
    *,
    has_body: bool = False,
) -> Endpoint[SharingSettings, SharingCall, Decoded, Result]:
    """One operation; all have the first three steps in common."""
    return Endpoint(
        authenticate=authenticate,
        limit_rate=limit_rate,
        authorise=require_scope(Scope.READ),
        decode=decode,
        act=act,
        encode=encode,
        has_body=has_body,
    )


# --- lists -----------------------------------------------------------------------------------------------------------


def _visible(call: SharingCall, share: str | None = None) -> Sequence[SharedTable]:
    """Return the tables that the recipient may read, or those of one share. Raises SharedTableNotFound."""
    tables = read.visible_tables(call.by, call.on, share=share)
    if share is not None and not tables:
        raise read.unknown()
    return tables


def _list(
    find: Callable[[SharingCall], Sequence[SharedTable]],
    encode: Callable[[SharedTable], Mapping[str, str]],
    key: Callable[[SharedTable], Key],
) -> Endpoint[SharingSettings, SharingCall, Page, Sequence[SharedTable]]:
    """A list with one item for each key of the tables."""

    def act(call: SharingCall, _: Page) -> Sequence[SharedTable]:
        return list({key(table): table for table in find(call)}.values())

    def answer(_: SharingCall, page: Page, found: Sequence[SharedTable]) -> Response:
        shown, token = cut(found, key, page)
        return encode_items([encode(table) for table in shown], token)

    return _endpoint(decode_page, act, answer)


def _of_share(call: SharingCall) -> Sequence[SharedTable]:
    return _visible(call, share_name(call))


def _of_schema(call: SharingCall) -> Sequence[SharedTable]:
    schema = call.request.path_params["schema"].lower()
    tables = [table for table in _of_share(call) if table.name.schema == schema]
    if not tables:
        raise read.unknown()
    return tables


def _get_share(call: SharingCall, _: None) -> str:
    return _visible(call, share_name(call))[0].name.share


def _answer_share(_: SharingCall, __: None, share: str) -> Response:
    return JSONResponse({"share": {"name": share}}, media_type="application/json; charset=utf-8")


def _share_item(table: SharedTable) -> Mapping[str, str]:
    return {"name": table.name.share}


def _schema_item(table: SharedTable) -> Mapping[str, str]:
    return {"name": table.name.schema, "share": table.name.share}


def _table_key(table: SharedTable) -> Key:
    return table.name.share, table.name.schema, table.name.table


# --- a table ---------------------------------------------------------------------------------------------------------


def _table(call: SharingCall) -> SharedTable:
    return read.find_table(table_name(call), call.by, call.on)


def _find_version(call: SharingCall, wanted: VersionQuery) -> SharedVersion:
    return read.find_version(_table(call), wanted, call.on)


def _answer_version(_: SharingCall, __: VersionQuery, version: SharedVersion) -> Response:
    return encode_version(version)


def _open(call: SharingCall, wanted: VersionQuery) -> OpenVersion:
    return read.open_version(_table(call), wanted, call.by, call.on)


def _answer_metadata(call: SharingCall, wanted: VersionQuery, opened: OpenVersion) -> Response:
    return encode_opened(call, opened, (), is_pinned=wanted != VersionQuery())


def _query(call: SharingCall, body: QueryBody) -> tuple[OpenVersion, list[LinkedFile]]:
    opened = _open(call, body.version)
    granted = grant(opened.job, call.by, call.on, dialect=NAME)

    def url(file: ArtifactFile) -> str:
        if call.settings.presigned:
            presigned = presigned_link(file, call.on, life=granted.life)
            if presigned is not None:
                return presigned
        path = link_path(link(opened.job, file.number, call.by, call.on, until=granted.until))
        return call.absolute(f"{path}&{SIGNED_MARK}")

    files = _first_files(opened.manifest.files, body.limit)
    return opened, [LinkedFile(file=file, url=url(file), expires=granted.until) for file in files]


def _first_files(files: Sequence[ArtifactFile], rows: int | None) -> Sequence[ArtifactFile]:
    """Return as many of the first files as have that many rows; without a number, all."""
    if rows is None:
        return files
    needed, found = [], 0
    for file in files:
        if found >= rows:
            break
        needed.append(file)
        found += file.rows
    return needed


def _answer_query(call: SharingCall, body: QueryBody, found: tuple[OpenVersion, list[LinkedFile]]) -> Response:
    opened, files = found
    return encode_opened(call, opened, files, is_pinned=body.version != VersionQuery())


def _newest(_: SharingCall) -> VersionQuery:
    return VersionQuery()


def _find_table(call: SharingCall, _: None) -> SharedTable:
    return _table(call)


def _refuse_changes(_: SharingCall, __: None, table: SharedTable) -> NoReturn:
    raise InvalidRequest(f"cdf is not enabled on table {table.name}: shared tables do not record changes.")


_ENDPOINTS: dict[str, Endpoint[SharingSettings, SharingCall, Any, Any]] = {
    "listShares": _list(_visible, _share_item, lambda table: (table.name.share,)),
    "getShare": _endpoint(decode_nothing, _get_share, _answer_share),
    "listSchemas": _list(_of_share, _schema_item, lambda table: (table.name.schema,)),
    "listTables": _list(_of_schema, encode_table, _table_key),
    "listAllTables": _list(_of_share, encode_table, _table_key),
    "getTableVersion": _endpoint(decode_since, _find_version, _answer_version),
    "headTable": _endpoint(_newest, _find_version, _answer_version),
    "getTableMetadata": _endpoint(decode_metadata, _open, _answer_metadata),
    "queryTable": _endpoint(decode_query, _query, _answer_query, has_body=True),
    "getTableChanges": _endpoint(decode_nothing, _find_table, _refuse_changes),
}
