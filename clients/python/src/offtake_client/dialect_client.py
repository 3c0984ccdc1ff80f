"""The public classes for the dialects. Their methods are the operations of ``dialects.jobs``.

``DialectClient`` and ``DialectJob`` block; ``AsyncDialectClient`` and ``AsyncDialectJob`` have the same methods as
coroutines and asynchronous iterators.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, Concatenate, Literal, ParamSpec, TypeVar

import httpx

from offtake_client.asynchronous import AsyncDriver
from offtake_client.blocking import BlockingDriver
from offtake_client.credentials import BasicUser, BearerToken, Credential, OAuthClient, find_profile
from offtake_client.dialects import jobs
from offtake_client.dialects.dialect import Dialect, JobInfo
from offtake_client.dialects.jobs import JobHandle
from offtake_client.dialects.khoros import Khoros
from offtake_client.dialects.loop import Loop
from offtake_client.dialects.talkdesk import Talkdesk
from offtake_client.documents import Update
from offtake_client.download.download_record import DownloadRecord
from offtake_client.effects import Flow
from offtake_client.errors import ProfileError, UnknownOption
from offtake_client.methods import Method
from offtake_client.session import Session

P = ParamSpec("P")
T = TypeVar("T")
DialectName = Literal["khoros", "talkdesk", "loop"]
DIALECTS: dict[str, type[Dialect]] = {kind.name: kind for kind in (Khoros, Talkdesk, Loop)}


def _dialect(
    name: str, url: str | None, given: list[Credential], profile: str | None, options: dict[str, Any]
) -> Dialect:
    """Return a dialect with a credential; what the arguments omit is that of the profile or the environment."""
    kind = DIALECTS.get(name)
    if kind is None:
        raise UnknownOption(f"There is no dialect {name!r}.", f"Accepted are {', '.join(DIALECTS)}.")
    if len(given) > 1:
        raise ProfileError("Several credentials are given.", f"Give the one of {name}.")
    credential = given[0] if given else None
    if url is None or credential is None:
        found = find_profile(profile, kinds=kind.credentials)
        url, credential = url or found.url, credential or found.credential
    if not isinstance(credential, kind.credentials):
        raise ProfileError(f"{name} does not accept this kind of credential.", _NEEDED[kind.name])
    return kind(Session(url, credential, **options))


_NEEDED = {
    "khoros": "Give basic=(user, password, company key).",
    "talkdesk": "Give client=(id, secret).",
    "loop": "Give token.",
}


def _credentials(
    token: str | None,
    client: tuple[str, str] | None,
    token_url: str,
    basic: tuple[str, str, str] | None,
    credential: Credential | None,
) -> list[Credential]:
    found: list[Credential] = [] if credential is None else [credential]
    found += [] if token is None else [BearerToken(token)]
    found += [] if client is None else [OAuthClient(*client, token_url)]
    return found + ([] if basic is None else [BasicUser(*basic)])


class _Job:
    """What the two classes of jobs have in common."""

    def __init__(self, handle: JobHandle, driver: Any) -> None:
        self.operand = handle
        self.driver = driver

    @property
    def id(self) -> str:
        """The id of the job, as the other methods take it."""
        return self.operand.id

    @property
    def state(self) -> str:
        """queued, running, uploading, succeeded, failed, cancelled, deleted or expired, as answered last."""
        return self.operand.state

    @property
    def info(self) -> JobInfo:
        """What the server answered last."""
        return self.operand.info

    @property
    def target(self) -> Path | None:
        """The folder of the file, if one is known."""
        return self.operand.target

    @property
    def downloaded(self) -> DownloadRecord | None:
        """The file after ``download``; ``checked`` is what it was compared with."""
        return self.operand.downloaded

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id}: {self.state}>"


# --- blocking --------------------------------------------------------------------------------------------------------


def _run(flow: Callable[Concatenate[Any, P], Flow[T]]) -> Method[P, T]:
    return Method(flow, lambda instance, made: instance.driver.run(made))


def _open(flow: Callable[Concatenate[Any, P], Flow[JobHandle]]) -> Method[P, DialectJob]:
    return Method(flow, lambda instance, made: DialectJob(instance.driver.run(made), instance.driver))


def _iterate_jobs(flow: Callable[Concatenate[Any, P], Flow[None]]) -> Method[P, Iterator[DialectJob]]:
    def run(instance: DialectClient, made: Flow[None]) -> Iterator[DialectJob]:
        return (DialectJob(handle, instance.driver) for handle in instance.driver.iterate(made))

    return Method(flow, run)


def _iterate_updates(flow: Callable[Concatenate[Any, P], Flow[None]]) -> Method[P, Iterator[Update]]:
    return Method(flow, lambda instance, made: instance.driver.iterate(made))


class DialectJob(_Job):
    """A job of a dialect. ``state`` and ``info`` are as of the last answer; ``refresh`` asks again."""

    refresh = _run(jobs.refresh)
    progress = _iterate_updates(jobs.progress)
    wait = _run(jobs.wait)
    cancel = _run(jobs.cancel)
    download = _run(jobs.download)


class DialectClient:
    """A server that speaks a dialect, and a credential there. Use it as a context manager, or close it.

    ``basic`` (user, password and company key) is for Khoros, ``client`` (id and secret; ``token_url`` if the token
    endpoint is on another host) for Talkdesk, ``token`` for Loop; or ``credential`` has it. What is omitted is taken
    from the environment or from a profile, as for ``Offtake``, which describes the other arguments.
    """

    def __init__(
        self,
        dialect: DialectName | str,
        url: str | None = None,
        *,
        token: str | None = None,
        client: tuple[str, str] | None = None,
        token_url: str = "",
        basic: tuple[str, str, str] | None = None,
        credential: Credential | None = None,
        profile: str | None = None,
        http: httpx.Client | None = None,
        **options: Any,
    ) -> None:
        self.operand = _dialect(
            dialect, url, _credentials(token, client, token_url, basic, credential), profile, options
        )
        self.driver = BlockingDriver(http)

    export = _open(jobs.export)
    find_export = _open(jobs.find_export)
    exports = _iterate_jobs(jobs.exports)
    unfinished = _iterate_jobs(jobs.unfinished)
    check = _run(jobs.check)

    def close(self) -> None:
        """Close the connections."""
        self.driver.close()

    def __enter__(self) -> DialectClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


# --- asynchronous ----------------------------------------------------------------------------------------------------


def _await(flow: Callable[Concatenate[Any, P], Flow[T]]) -> Method[P, Coroutine[Any, Any, T]]:
    return Method(flow, lambda instance, made: instance.driver.run(made))


def _await_job(
    flow: Callable[Concatenate[Any, P], Flow[JobHandle]],
) -> Method[P, Coroutine[Any, Any, AsyncDialectJob]]:
    async def run(instance: AsyncDialectClient, made: Flow[JobHandle]) -> AsyncDialectJob:
        return AsyncDialectJob(await instance.driver.run(made), instance.driver)

    return Method(flow, run)


def _aiterate_jobs(flow: Callable[Concatenate[Any, P], Flow[None]]) -> Method[P, AsyncIterator[AsyncDialectJob]]:
    async def run(instance: AsyncDialectClient, made: Flow[None]) -> AsyncIterator[AsyncDialectJob]:
        async for handle in instance.driver.iterate(made):
            yield AsyncDialectJob(handle, instance.driver)

    return Method(flow, run)


def _aiterate_updates(flow: Callable[Concatenate[Any, P], Flow[None]]) -> Method[P, AsyncIterator[Update]]:
    return Method(flow, lambda instance, made: instance.driver.iterate(made))


class AsyncDialectJob(_Job):
    """A job of a dialect, as ``DialectJob``, with coroutines and asynchronous iterators."""

    refresh = _await(jobs.refresh)
    progress = _aiterate_updates(jobs.progress)
    wait = _await(jobs.wait)
    cancel = _await(jobs.cancel)
    download = _await(jobs.download)


class AsyncDialectClient:
    """A server that speaks a dialect, as ``DialectClient``, for asyncio."""

    def __init__(
        self,
        dialect: DialectName | str,
        url: str | None = None,
        *,
        token: str | None = None,
        client: tuple[str, str] | None = None,
        token_url: str = "",
        basic: tuple[str, str, str] | None = None,
        credential: Credential | None = None,
        profile: str | None = None,
        http: httpx.AsyncClient | None = None,
        **options: Any,
    ) -> None:
        self.operand = _dialect(
            dialect, url, _credentials(token, client, token_url, basic, credential), profile, options
        )
        self.driver = AsyncDriver(http)

    export = _await_job(jobs.export)
    find_export = _await_job(jobs.find_export)
    exports = _aiterate_jobs(jobs.exports)
    unfinished = _aiterate_jobs(jobs.unfinished)
    check = _await(jobs.check)

    async def close(self) -> None:
        """Close the connections."""
        await self.driver.close()

    async def __aenter__(self) -> AsyncDialectClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
