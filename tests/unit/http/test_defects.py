"""Unexpected errors: answered in the dialect's shape, logged with class and location, never with their text."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import httpx
import pytest
import structlog
from starlette.types import Message, Scope

from offtake.app import build_services
from offtake.core.services import Services
from offtake.home import Home
from offtake.http_app import build_app, build_traffic
from offtake.settings import Settings

SECRET = "a row that must stay inside"


@pytest.fixture
def broken(tmp_path: Path) -> Iterator[Services]:
    """Services whose clock raises an error."""
    home = Home(tmp_path / "home")
    home.create()
    services = build_services(home, Settings())

    def clock() -> datetime:
        raise ValueError(SECRET)

    yield replace(services, clock=clock)
    services.database.close()


def ask(services: Services, path: str, **headers: str) -> httpx.Response:
    transport = httpx.ASGITransport(
        app=build_app(services, Settings(), build_traffic(Settings())), raise_app_exceptions=True
    )

    async def run() -> httpx.Response:
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.get(path, headers=headers)

    return asyncio.run(run())


def test_a_defect_is_answered_as_json_without_its_text(broken: Services) -> None:
    with structlog.testing.capture_logs() as lines:
        answer = ask(broken, "/data/reports/calls/jobs/x", authorization="Bearer x")
    assert answer.status_code == 500
    message = f"Internal server error (request {answer.headers['x-request-id']})."
    assert answer.json() == {"code": "1020000", "message": message, "description": message}
    defect = next(line for line in lines if line["event"] == "request_defect")
    assert defect["error_class"] == "ValueError"
    assert any("clock" in location for location in defect["locations"])
    assert SECRET not in str(lines)
    assert SECRET not in answer.text


def test_paths_of_no_dialect_are_refused_as_json(broken: Services) -> None:
    answer = ask(broken, "/nowhere")
    assert answer.status_code == 404
    assert answer.json()["code"] == "http"
    assert answer.headers["x-request-id"]


def test_a_client_that_disconnects_while_sending_is_not_an_error(broken: Services) -> None:
    said: list[Message] = [
        {"type": "http.request", "body": b"grant_", "more_body": True},
        {"type": "http.disconnect"},
    ]
    asked = {"method": "POST", "path": "/oauth/token", "headers": [], "query_string": b""}
    scope: Scope = {"type": "http", "scheme": "http", "client": None, "server": None, **asked}

    async def receive() -> Message:
        return said.pop(0)

    async def send(message: Message) -> None:
        """The client has disconnected."""

    async def run() -> None:
        await build_app(broken, Settings(), build_traffic(Settings()))(scope, receive, send)

    with structlog.testing.capture_logs() as lines:
        asyncio.run(run())
    (line,) = lines
    assert (line["event"], line["status"], line["route"]) == ("request", 499, "/oauth/token")
