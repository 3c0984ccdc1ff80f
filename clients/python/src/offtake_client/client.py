"""The public classes. Their methods are the operations of ``reports``, ``exports`` and ``tables``.

``Offtake`` and ``Export`` block; ``AsyncOfftake`` and ``AsyncExport`` have the same methods as coroutines and
asynchronous iterators.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from offtake_client import exports as export_operations
from offtake_client import reports as report_operations
from offtake_client import tables
from offtake_client.asynchronous import AsyncDriver
from offtake_client.blocking import BlockingDriver
from offtake_client.credentials import BearerToken, Credential, OAuthClient, find_profile
from offtake_client.documents import ExportInfo, Update
from offtake_client.errors import ProfileError
from offtake_client.exports import ExportHandle
from offtake_client.methods import (
    AsyncClient,
    BlockingClient,
    Method,
    async_items,
    async_object,
    async_objects,
    async_result,
    blocking_items,
    blocking_object,
    blocking_objects,
    blocking_result,
)
from offtake_client.session import Session

if TYPE_CHECKING:
    import pyarrow


def _session(
    url: str | None,
    token: str | None,
    client: tuple[str, str] | None,
    profile: str | None,
    options: dict[str, Any],
) -> Session:
    """Return the session of the arguments; what they omit is that of the profile or the environment."""
    if token is not None and client is not None:
        raise ProfileError("Both token and client are given.", "Give the one that the operator has made for you.")
    given: Credential | None = BearerToken(token) if token is not None else OAuthClient(*client) if client else None
    if url is None or given is None:
        found = find_profile(profile)
        url, given = url or found.url, given or found.credential
    return Session(url, given, **options)


class _Handle:
    """What the two classes of exports have in common."""

    def __init__(self, handle: ExportHandle, driver: Any) -> None:
        self.operand = handle
        self.driver = driver

    @property
    def id(self) -> str:
        """The id of the export."""
        return self.operand.id

    @property
    def state(self) -> str:
        """queued, running, uploading, succeeded, failed, cancelled, expired or deleted, as answered last."""
        return self.operand.state

    @property
    def info(self) -> ExportInfo:
        """What the server answered last."""
        return self.operand.info

    @property
    def target(self) -> Path | None:
        """The folder of the files, if one is known."""
        return self.operand.target

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id}: {self.info.report}, {self.state}>"


# --- blocking --------------------------------------------------------------------------------------------------------


class Export(_Handle):
    """An export. ``state`` and ``info`` are as of the last answer; ``refresh`` asks again."""

    refresh = blocking_result(export_operations.refresh)
    progress = blocking_items(export_operations.progress, Update)
    wait = blocking_result(export_operations.wait)
    cancel = blocking_result(export_operations.cancel)
    manifest = blocking_result(export_operations.manifest)
    download = blocking_result(export_operations.download)
    to_arrow = blocking_result(tables.to_arrow)
    to_polars = blocking_result(tables.to_polars)
    to_pandas = blocking_result(tables.to_pandas)
    to_duckdb = blocking_result(tables.to_duckdb)
    if TYPE_CHECKING:
        iter_batches: Method[..., Iterator[pyarrow.RecordBatch]]
    else:
        iter_batches = blocking_items(tables.iter_batches, object)


class Offtake(BlockingClient):
    """A server and a credential there. Threads can share it; use it as a context manager, or close it.

    ``url`` with ``token``, or with ``client`` (id and secret of an OAuth client). What is omitted is taken from the
    environment (OFFTAKE_CLIENT_URL, OFFTAKE_CLIENT_TOKEN) or from the ``profile`` that offtake-client login wrote.
    ``patience``: seconds of failures in a row after which an operation gives up. ``note`` receives messages about
    repeated requests; by default the logger offtake_client. ``http``: a client with proxies or certificates of its own.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        token: str | None = None,
        client: tuple[str, str] | None = None,
        profile: str | None = None,
        http: httpx.Client | None = None,
        **options: Any,
    ) -> None:
        self.operand = _session(url, token, client, profile, options)
        self.driver = BlockingDriver(http)

    export = blocking_object(export_operations.export, Export)
    find_export = blocking_object(export_operations.find_export, Export)
    exports = blocking_objects(export_operations.exports, Export)
    unfinished = blocking_objects(export_operations.unfinished, Export)
    estimate = blocking_result(export_operations.estimate)
    preview = blocking_result(export_operations.preview)
    reports = blocking_result(report_operations.reports)
    describe = blocking_result(report_operations.describe)
    limits = blocking_result(report_operations.limits)
    usage = blocking_result(report_operations.usage)


# --- asynchronous ----------------------------------------------------------------------------------------------------


class AsyncExport(_Handle):
    """An export, as ``Export``, with coroutines and asynchronous iterators."""

    refresh = async_result(export_operations.refresh)
    progress = async_items(export_operations.progress, Update)
    wait = async_result(export_operations.wait)
    cancel = async_result(export_operations.cancel)
    manifest = async_result(export_operations.manifest)
    download = async_result(export_operations.download)
    to_arrow = async_result(tables.to_arrow)
    to_polars = async_result(tables.to_polars)
    to_pandas = async_result(tables.to_pandas)
    to_duckdb = async_result(tables.to_duckdb)
    if TYPE_CHECKING:
        iter_batches: Method[..., AsyncIterator[pyarrow.RecordBatch]]
    else:
        iter_batches = async_items(tables.iter_batches, object)


class AsyncOfftake(AsyncClient):
    """A server and a credential there, as ``Offtake``, for asyncio."""

    def __init__(
        self,
        url: str | None = None,
        *,
        token: str | None = None,
        client: tuple[str, str] | None = None,
        profile: str | None = None,
        http: httpx.AsyncClient | None = None,
        **options: Any,
    ) -> None:
        self.operand = _session(url, token, client, profile, options)
        self.driver = AsyncDriver(http)

    export = async_object(export_operations.export, AsyncExport)
    find_export = async_object(export_operations.find_export, AsyncExport)
    exports = async_objects(export_operations.exports, AsyncExport)
    unfinished = async_objects(export_operations.unfinished, AsyncExport)
    estimate = async_result(export_operations.estimate)
    preview = async_result(export_operations.preview)
    reports = async_result(report_operations.reports)
    describe = async_result(report_operations.describe)
    limits = async_result(report_operations.limits)
    usage = async_result(report_operations.usage)
