"""Downloads run in their own threads."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.types import Message, Scope

from offtake.core.admin import identity
from offtake.core.exports.download import open_link
from offtake.http import downloads
from offtake.http.admission import TRAFFIC
from offtake.http.download_threads import MAX_THREADS
from offtake.http.limit_settings import DownloadSettings
from offtake.http_app import build_traffic
from offtake.model.tenant import Tenant
from offtake.settings import Settings
from offtake.wire.native.errors import render_error
from tests.fixtures import loop
from tests.fixtures.in_process import in_process
from tests.fixtures.loop import ADMIN, BOSS, LoopWire


def test_a_hanging_store_delays_downloads_only(tmp_path: Path) -> None:
    """More downloads than threads are waiting; other requests still run in theirs."""
    released, begun, sent = threading.Event(), threading.Semaphore(0), []

    def hang(first: int, end: int) -> Iterator[bytes]:
        begun.release()
        assert released.wait(60)
        yield bytes(end - first)

    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError("unreachable")

    async def send(message: Message) -> None:
        sent.append(message["type"])

    async def run(answers: list[Response], scope: Scope) -> None:
        downloads = [asyncio.create_task(answer(scope, receive, send)) for answer in answers]
        for _ in range(MAX_THREADS):
            while not begun.acquire(blocking=False):
                await asyncio.sleep(0)
        assert await asyncio.wait_for(run_in_threadpool(lambda: "done"), 60) == "done"
        assert sent == []
        released.set()
        await asyncio.gather(*downloads)

    traffic = build_traffic(Settings(downloads=DownloadSettings(per_file=MAX_THREADS + 5)))
    with in_process(tmp_path) as here:
        identity.add_tenant(Tenant(name="acme"), here.on)
        token = loop.token(here.installation, "acme", BOSS, ADMIN)
        client = LoopWire(here.http, {"Authorization": f"Bearer {token}"})
        export = client.create()
        here.work()
        query = dict(part.split("=", 1) for part in client.url(export).partition("?")[2].split("&"))
        found = open_link(export, expires=query["Expires"], signature=query["Signature"], on=here.on)
        answers = [downloads.answer(replace(found, read=hang), render_error) for _ in range(MAX_THREADS + 5)]
        scope = {"type": "http", "method": "GET", "path": "/download/x/y", "headers": [], TRAFFIC: traffic}
        asyncio.run(run(answers, scope))
    assert sent.count("http.response.start") == len(answers)
