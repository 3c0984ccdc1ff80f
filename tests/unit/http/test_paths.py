"""Superfluous slashes of a path: removed, except where a route matches the path as it was sent."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp

from offtake.http.paths import PathMiddleware, sent_path


async def _echo(request: Request) -> Response:
    return PlainTextResponse(f"{request.path_params} {request.url.path} {sent_path(request)}")


@pytest.fixture(scope="module")
def app() -> ASGIApp:
    router, made = APIRouter(), FastAPI(openapi_url=None, redirect_slashes=False)
    router.add_api_route("/runs/{id:path}/status", _echo)
    router.add_api_route("/jobs/{id}", _echo)
    made.include_router(router)
    return PathMiddleware(made, router.routes)


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/jobs/a", "{'id': 'a'} /jobs/a /jobs/a"),
        ("//jobs///a//", "{'id': 'a'} /jobs/a //jobs///a//"),
        ("/jobs/a%20%C3%A9/", "{'id': 'a é'} /jobs/a é /jobs/a é/"),
        ("/runs/a//b/status", "{'id': 'a//b'} /runs/a//b/status /runs/a//b/status"),
        ("/runs/a%2F%2Fb/status/", "{'id': 'a//b'} /runs/a//b/status /runs/a//b/status/"),
        ("/jobs/", '{"detail":"Not Found"}'),
        ("//", '{"detail":"Not Found"}'),
    ],
)
def test_superfluous_slashes(app: ASGIApp, path: str, answer: str) -> None:
    async def get() -> str:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as client:
            return (await client.get(f"http://server{path}")).text

    assert asyncio.run(get()) == answer
