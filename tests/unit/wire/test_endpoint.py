"""The pipeline runs its six steps in one sequence, and a step that refuses ends it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from offtake.core.denials import Denials
from offtake.core.policy import PerTenant
from offtake.core.services import Services
from offtake.errors import ExportError, NotPermitted, SettingsError
from offtake.http.media_type import UnsupportedMedia
from offtake.settings import Settings
from offtake.wire.dialect import Wire
from offtake.wire.dialects import DIALECTS
from offtake.wire.endpoint import Endpoint, IncomingRequest, decode_nothing, new_router, permit
from offtake.wire.endpoint import unlimited as no_rate
from offtake.wire.khoros.dialect import KHOROS
from offtake.wire.khoros.settings import KhorosSettings
from offtake.wire.loop.dialect import LOOP
from offtake.wire.loop.settings import LoopSettings
from offtake.wire.pipeline import add_endpoints, admit, finish
from tests.fixtures.in_process import in_process

PIPELINE = ["authenticate", "limit_rate", "authorise", "decode", "act", "encode"]
Incoming = IncomingRequest[LoopSettings]


@dataclass
class Recorder:
    """Steps that note their names. The step that ``refuses`` raises ``error``."""

    refuses: str = ""
    error: Exception = field(default_factory=lambda: NotPermitted("no"))
    rate_headers: Mapping[str, str] = field(default_factory=dict)
    ran: list[str] = field(default_factory=list)

    def endpoint(self) -> Endpoint[LoopSettings, Incoming, Any, Any]:
        return Endpoint(
            authenticate=self._step("authenticate", lambda incoming: incoming),
            limit_rate=self._step("limit_rate", lambda call: self.rate_headers),
            authorise=self._step("authorise", lambda call: call),
            decode=self._step("decode", lambda call: "decoded"),
            act=self._step("act", lambda call, decoded: f"{decoded}, done"),
            encode=self._step("encode", lambda call, decoded, result: PlainTextResponse(result)),
        )

    def _step(self, name: str, returns: Callable[..., Any]) -> Callable[..., Any]:
        def step(*values: Any) -> Any:
            self.ran.append(name)
            if name == self.refuses:
                raise self.error
            return returns(*values)

        return step


def incoming(path: str = "/api/v1/report/export") -> Incoming:
    request = Request({"type": "http", "method": "GET", "path": path, "headers": [], "query_string": b""})
    settings = PerTenant(default=LoopSettings())
    on = cast(Services, SimpleNamespace(denials=Denials()))
    wire = Wire(dialect=LOOP, on=on, settings=settings, public_url=None)
    return IncomingRequest(request=request, body=b"", wire=wire)


def run(endpoint: Endpoint[LoopSettings, Incoming, Any, Any], sent: Incoming) -> Response:
    return finish(endpoint, *admit(endpoint, sent))


def test_the_steps_run_in_sequence() -> None:
    recorder = Recorder()
    assert run(recorder.endpoint(), incoming()).body == b"decoded, done"
    assert recorder.ran == PIPELINE


@pytest.mark.parametrize("step", PIPELINE)
def test_a_refusal_ends_the_pipeline(step: str) -> None:
    recorder = Recorder(refuses=step)
    with pytest.raises(NotPermitted):
        run(recorder.endpoint(), incoming())
    assert recorder.ran == PIPELINE[: PIPELINE.index(step) + 1]


@pytest.mark.parametrize("error", [NotPermitted("no"), UnsupportedMedia("no")], ids=["core", "http"])
@pytest.mark.parametrize("step", ["authorise", "decode", "act", "encode"])
def test_a_refusal_after_counting_has_the_remaining_rate(step: str, error: Exception) -> None:
    recorder = Recorder(refuses=step, error=error, rate_headers={"ratelimit-remaining": "4"})
    answer = run(recorder.endpoint(), incoming())
    assert answer.status_code == (403 if isinstance(error, ExportError) else 415)
    assert answer.headers["ratelimit-remaining"] == "4"


@pytest.mark.parametrize("step", ["authenticate", "limit_rate"])
def test_a_refusal_before_counting_is_left_to_the_server(step: str) -> None:
    recorder = Recorder(refuses=step, rate_headers={"ratelimit-remaining": "4"})
    with pytest.raises(NotPermitted):
        run(recorder.endpoint(), incoming())


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    with in_process(tmp_path_factory.mktemp("wire")) as here:
        yield here.on


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_every_documented_path_is_a_route(dialect: Any, services: Services) -> None:
    """All paths of the document are routes; other routes are HEAD, tolerated spellings and the document itself."""
    wire = Wire(
        dialect=dialect, on=services, settings=PerTenant(default=Settings().table(dialect.name)), public_url=None
    )
    served = {
        (method, route.path.replace(":path", "")) for route in dialect.router(wire).routes for method in route.methods
    }
    document = dialect.document(services.catalogue, None)
    documented = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    assert documented <= served
    undocumented = {
        path for method, path in served - documented if (method, ("GET", path) in documented) != ("HEAD", True)
    }
    assert all(path.endswith("/openapi.json") or dialect.name == "khoros" for path in undocumented)


def test_a_disabled_column_that_no_export_has_is_refused_at_the_start(services: Services) -> None:
    options = KhorosSettings(disabled_metrics=("agent_email", "AGENT_EMIAL"))
    settings = PerTenant(default=KhorosSettings(), overrides={"acme": options})
    with pytest.raises(SettingsError) as refusal:
        KHOROS.router(Wire(dialect=KHOROS, on=services, settings=settings, public_url=None))
    assert refusal.value.message == (
        "[tenants.acme.khoros] disabled_metrics: no export of this dialect has the column AGENT_EMIAL."
    )


def test_a_new_dialect_implements_the_steps(tmp_path: Path) -> None:
    """The smallest dialect: one operation whose steps are almost empty."""
    from offtake.wire.document import Answer, Operation

    def encode(call: Incoming, decoded: None, result: str) -> Response:
        return PlainTextResponse(f"{result} {call.request.path_params['name']}")

    def greet(call: Incoming, decoded: None) -> str:
        return "hello"

    def anonymous(incoming: Incoming) -> Incoming:
        return incoming

    greeting = Endpoint(
        authenticate=anonymous,
        limit_rate=no_rate,
        authorise=permit,
        decode=decode_nothing,
        act=greet,
        encode=encode,
    )
    operation = Operation(name="greet", method="GET", path="/hello/{name}", summary="Greet.", answers={200: Answer()})
    routes = new_router(LOOP)
    add_endpoints(routes, [operation], {"greet": greeting}, incoming().wire)
    scope = {"type": "http", "method": "GET", "path": "/hello/ann", "headers": [], "query_string": b"", "root_path": ""}
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(cast(Any, routes)(scope, receive, send))
    assert (sent[0]["status"], sent[1]["body"]) == (200, b"hello ann")
