"""Runs the six steps of every operation, in the event loop or in threads.

A body is read after the authentication, so that a client without credentials cannot make the server wait for one. The
work after the authentication is done in turns (``http/turns.py``), so that the requests of one tenant, however many it
sends at a time, delay those of others by moments only.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from offtake.errors import ExportError
from offtake.http.access_log import bind_log
from offtake.http.admission import enter_tenant, turns_in_loop, turns_in_threads
from offtake.http.errors import fault_of
from offtake.http.middleware import remote_address
from offtake.wire.dialect import Options, Wire
from offtake.wire.document import Operation
from offtake.wire.endpoint import Admission, AnyCall, Endpoint, IncomingRequest


def add_endpoints(
    routes: APIRouter,
    operations: Sequence[Operation],
    endpoints: Mapping[str, Endpoint[Options, Any, Any, Any]],
    wire: Wire[Options],
) -> None:
    """Add a route for each path of each operation. KeyError for an operation without an endpoint."""
    for operation in operations:
        handle = _handler(endpoints[operation.name], wire)
        for path in (operation.path, *operation.undocumented_paths):
            routes.add_api_route(path, handle, methods=operation.methods)


def admit(
    endpoint: Admission[Options, AnyCall], incoming: IncomingRequest[Options]
) -> tuple[AnyCall, Mapping[str, str]]:
    """The authenticated call, and the headers of its rate. Raises ExportError, also if the tenant has too many."""
    with _noting_denials(incoming):
        call = endpoint.authenticate(incoming)
    fields = call.log_fields
    bind_log(incoming.request, **fields)
    if "tenant" in fields:
        enter_tenant(incoming.request.scope, fields["tenant"])
    return call, endpoint.limit_rate(call)


def finish(
    endpoint: Endpoint[Any, AnyCall, Any, Any],
    call: AnyCall,
    rate_headers: Mapping[str, str],
    body: bytes | None = None,
) -> Response:
    """The answer to an authenticated call; ``body`` is the one that was read after the authentication.

    Raises ExportError and HTTPException, unless the answer has headers of a rate.
    """
    if not rate_headers:
        return _run_authenticated(endpoint, call, body)
    try:
        response = _run_authenticated(endpoint, call, body)
    except (ExportError, HTTPException) as error:
        response = render_refusal(error, call)
    response.headers.update(rate_headers)
    return response


def _run_authenticated(endpoint: Endpoint[Any, AnyCall, Any, Any], call: AnyCall, body: bytes | None) -> Response:
    with _noting_denials(call):
        if body is not None:
            call = endpoint.with_body(call, body)
        call = endpoint.authorise(call)
        decoded = endpoint.decode(call)
        result = endpoint.act(call, decoded)
        return endpoint.encode(call, decoded, result)


@contextmanager
def _noting_denials(call: IncomingRequest[Any]) -> Iterator[None]:
    """Count a denial by the block for the audit log."""
    try:
        yield
    except ExportError as error:
        note_denial(call, error)
        raise


def note_denial(call: IncomingRequest[Any], error: ExportError) -> None:
    """Count a denied request for the audit log. An endpoint calls it for a denial that it does not raise."""
    fields = call.log_fields
    call.on.denials.add(
        error,
        dialect=call.wire.dialect.name,
        address=remote_address(call.request),
        tenant=fields.get("tenant"),
        principal=fields.get("principal"),
    )


def render_refusal(error: ExportError | HTTPException, incoming: IncomingRequest[Any]) -> Response:
    """The answer to a refused request, in the words of its dialect."""
    if isinstance(error, ExportError):
        bind_log(incoming.request, error=error.code)
    answered = error if isinstance(error, ExportError) else fault_of(error)
    return incoming.wire.dialect.errors.render(answered, incoming.request.url.path)


def _handler(
    endpoint: Endpoint[Options, Any, Any, Any], wire: Wire[Options]
) -> Callable[[Request], Awaitable[Response]]:
    run_pipeline = run_in_loop if endpoint.runs_inline(wire) else run_in_threads

    async def handle(request: Request) -> Response:
        return await run_pipeline(endpoint, wire, request)

    return handle


async def run_in_loop(endpoint: Endpoint[Options, Any, Any, Any], wire: Wire[Options], request: Request) -> Response:
    """Answer in the event loop, which other requests wait for. Raises ExportError and HTTPException, as ``finish``."""
    call, rate_headers = admit(endpoint, IncomingRequest(request=request, body=b"", wire=wire))
    if (tenant := call.log_fields.get("tenant")) is not None:
        await turns_in_loop(request.scope).one_of_this_moment(tenant)
    return finish(endpoint, call, rate_headers)


async def run_in_threads(endpoint: Endpoint[Options, Any, Any, Any], wire: Wire[Options], request: Request) -> Response:
    """Answer in a thread, or in two if the body or a turn is awaited. Raises ExportError and HTTPException."""
    reads_body_first = endpoint.has_body and endpoint.authenticates_by_body
    incoming = IncomingRequest(request=request, body=await request.body() if reads_body_first else b"", wire=wire)
    reads_body_now = endpoint.has_body and not reads_body_first
    started = await endpoint.run_in_thread(_admit_and_finish, endpoint, incoming, waits_for_body=reads_body_now)
    if isinstance(started, Response):
        return started
    call, rate_headers = started
    body = await request.body() if reads_body_now else None
    finish_in_thread: Callable[..., Awaitable[Response]] = endpoint.run_in_thread
    tenant = call.log_fields.get("tenant")
    if tenant is None:
        return await finish_in_thread(finish, endpoint, call, rate_headers, body)
    turns = turns_in_threads(request.scope)
    await turns.wait(tenant)
    with turns.taken(tenant):
        return await finish_in_thread(finish, endpoint, call, rate_headers, body)


def _admit_and_finish(
    endpoint: Endpoint[Options, AnyCall, Any, Any], incoming: IncomingRequest[Options], *, waits_for_body: bool
) -> Response | tuple[AnyCall, Mapping[str, str]]:
    """The answer, or the started call if it has to wait for its body or for a turn of its tenant."""
    call, rate_headers = admit(endpoint, incoming)
    if waits_for_body:
        return call, rate_headers
    tenant = call.log_fields.get("tenant")
    if tenant is None:
        return finish(endpoint, call, rate_headers)
    turns = turns_in_threads(incoming.request.scope)
    if not turns.take(tenant):
        return call, rate_headers
    with turns.taken(tenant):
        return finish(endpoint, call, rate_headers)
