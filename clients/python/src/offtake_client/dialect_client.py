"""The public classes for the dialects. Their methods are the operations of ``dialects.jobs``.

``DialectClient`` and ``DialectJob`` block; ``AsyncDialectClient`` and ``AsyncDialectJob`` have the same methods as
coroutines and asynchronous iterators.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

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
from offtake_client.errors import ProfileError, UnknownOption
from offtake_client.methods import (
    AsyncClient,
    BlockingClient,
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


class DialectJob(_Job):
    """A job of a dialect. ``state`` and ``info`` are as of the last answer; ``refresh`` asks again."""

    refresh = blocking_result(jobs.refresh)
    progress = blocking_items(jobs.progress, Update)
    wait = blocking_result(jobs.wait)
    cancel = blocking_result(jobs.cancel)
    download = blocking_result(jobs.download)


class DialectClient(BlockingClient):
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

    export = blocking_object(jobs.export, DialectJob)
    find_export = blocking_object(jobs.find_export, DialectJob)
    exports = blocking_objects(jobs.exports, DialectJob)
    unfinished = blocking_objects(jobs.unfinished, DialectJob)
    check = blocking_result(jobs.check)


# --- asynchronous ----------------------------------------------------------------------------------------------------


class AsyncDialectJob(_Job):
    """A job of a dialect, as ``DialectJob``, with coroutines and asynchronous iterators."""

    refresh = async_result(jobs.refresh)
    progress = async_items(jobs.progress, Update)
    wait = async_result(jobs.wait)
    cancel = async_result(jobs.cancel)
    download = async_result(jobs.download)


class AsyncDialectClient(AsyncClient):
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

    export = async_object(jobs.export, AsyncDialectJob)
    find_export = async_object(jobs.find_export, AsyncDialectJob)
    exports = async_objects(jobs.exports, AsyncDialectJob)
    unfinished = async_objects(jobs.unfinished, AsyncDialectJob)
    check = async_result(jobs.check)
