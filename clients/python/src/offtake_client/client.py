"""The public classes. Their methods are the operations of ``reports``, ``exports`` and ``tables``.

``Offtake`` and ``Export`` block; ``AsyncOfftake`` and ``AsyncExport`` have the same methods as coroutines and
asynchronous iterators.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

import httpx

from offtake_client import exports as export_operations
from offtake_client import reports as report_operations
from offtake_client import tables
from offtake_client.asynchronous import AsyncDriver
from offtake_client.blocking import BlockingDriver
from offtake_client.credentials import BearerToken, Credential, OAuthClient, find_profile
from offtake_client.documents import ExportInfo, Update
from offtake_client.effects import Flow
from offtake_client.errors import ProfileError
from offtake_client.exports import ExportHandle
from offtake_client.methods import Method
from offtake_client.session import Session

if TYPE_CHECKING:
    import pyarrow

P = ParamSpec("P")
T = TypeVar("T")
E = TypeVar("E")
Operation = Callable[Concatenate[Any, P], Flow[T]]


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


def _run(flow: Callable[Concatenate[Any, P], Flow[T]]) -> Method[P, T]:
    return Method(flow, lambda instance, made: instance.driver.run(made))


def _open(flow: Callable[Concatenate[Any, P], Flow[ExportHandle]]) -> Method[P, Export]:
    return Method(flow, lambda instance, made: Export(instance.driver.run(made), instance.driver))


def _iterate(flow: Callable[Concatenate[Any, P], Flow[None]], item: type[E]) -> Method[P, Iterator[E]]:
    return Method(flow, lambda instance, made: instance.driver.iterate(made))


def _iterate_exports(flow: Callable[Concatenate[Any, P], Flow[None]]) -> Method[P, Iterator[Export]]:
    def run(instance: Offtake, made: Flow[None]) -> Iterator[Export]:
        return (Export(handle, instance.driver) for handle in instance.driver.iterate(made))

    return Method(flow, run)


class Export(_Handle):
    """An export. ``state`` and ``info`` are as of the last answer; ``refresh`` asks again."""

    refresh = _run(export_operations.refresh)
    progress = _iterate(export_operations.progress, Update)
    wait = _run(export_operations.wait)
    cancel = _run(export_operations.cancel)
    manifest = _run(export_operations.manifest)
    download = _run(export_operations.download)
    to_arrow = _run(tables.to_arrow)
    to_polars = _run(tables.to_polars)
    to_pandas = _run(tables.to_pandas)
    to_duckdb = _run(tables.to_duckdb)
    if TYPE_CHECKING:
        iter_batches: Method[..., Iterator[pyarrow.RecordBatch]]
    else:
        iter_batches = _iterate(tables.iter_batches, object)


class Offtake:
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

    export = _open(export_operations.export)
    find_export = _open(export_operations.find_export)
    exports = _iterate_exports(export_operations.exports)
    unfinished = _iterate_exports(export_operations.unfinished)
    estimate = _run(export_operations.estimate)
    preview = _run(export_operations.preview)
    reports = _run(report_operations.reports)
    describe = _run(report_operations.describe)
    limits = _run(report_operations.limits)
    usage = _run(report_operations.usage)

    def close(self) -> None:
        """Close the connections."""
        self.driver.close()

    def __enter__(self) -> Offtake:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


# --- asynchronous ----------------------------------------------------------------------------------------------------


def _await(flow: Callable[Concatenate[Any, P], Flow[T]]) -> Method[P, Coroutine[Any, Any, T]]:
    return Method(flow, lambda instance, made: instance.driver.run(made))


def _await_export(
    flow: Callable[Concatenate[Any, P], Flow[ExportHandle]],
) -> Method[P, Coroutine[Any, Any, AsyncExport]]:
    async def run(instance: AsyncOfftake, made: Flow[ExportHandle]) -> AsyncExport:
        return AsyncExport(await instance.driver.run(made), instance.driver)

    return Method(flow, run)


def _aiterate(flow: Callable[Concatenate[Any, P], Flow[None]], item: type[E]) -> Method[P, AsyncIterator[E]]:
    return Method(flow, lambda instance, made: instance.driver.iterate(made))


def _aiterate_exports(flow: Callable[Concatenate[Any, P], Flow[None]]) -> Method[P, AsyncIterator[AsyncExport]]:
    async def run(instance: AsyncOfftake, made: Flow[None]) -> AsyncIterator[AsyncExport]:
        async for handle in instance.driver.iterate(made):
            yield AsyncExport(handle, instance.driver)

    return Method(flow, run)


class AsyncExport(_Handle):
    """An export, as ``Export``, with coroutines and asynchronous iterators."""

    refresh = _await(export_operations.refresh)
    progress = _aiterate(export_operations.progress, Update)
    wait = _await(export_operations.wait)
    cancel = _await(export_operations.cancel)
    manifest = _await(export_operations.manifest)
    download = _await(export_operations.download)
    to_arrow = _await(tables.to_arrow)
    to_polars = _await(tables.to_polars)
    to_pandas = _await(tables.to_pandas)
    to_duckdb = _await(tables.to_duckdb)
    if TYPE_CHECKING:
        iter_batches: Method[..., AsyncIterator[pyarrow.RecordBatch]]
    else:
        iter_batches = _aiterate(tables.iter_batches, object)


class AsyncOfftake:
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

    export = _await_export(export_operations.export)
    find_export = _await_export(export_operations.find_export)
    exports = _aiterate_exports(export_operations.exports)
    unfinished = _aiterate_exports(export_operations.unfinished)
    estimate = _await(export_operations.estimate)
    preview = _await(export_operations.preview)
    reports = _await(report_operations.reports)
    describe = _await(report_operations.describe)
    limits = _await(report_operations.limits)
    usage = _await(report_operations.usage)

    async def close(self) -> None:
        """Close the connections."""
        await self.driver.close()

    async def __aenter__(self) -> AsyncOfftake:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
