"""How a path operation of FastAPI runs in the pipeline of ``wire/pipeline.py``.

The route authenticates the request and counts it against its rate, with the functions that all dialects use, before it
reads the body. Then FastAPI runs the operation: a dependency checks the scope (authorise), pydantic reads parameters
and body (decode), the function calls the core (act), and the response model is serialised (encode). Refusals of all
steps are counted for the audit log and rendered as problems.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from copy import copy
from dataclasses import replace
from typing import Annotated, Any

from fastapi import Security
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Send
from starlette.types import Scope as AsgiScope

from offtake.core.auth.authorization import require
from offtake.errors import ExportError
from offtake.http.admission import turns_in_loop
from offtake.http.json_body import parse_json_object
from offtake.http.media_type import UnsupportedMedia, media_type
from offtake.model.tenant import Scope
from offtake.wire.dialect import Wire
from offtake.wire.document import JSON
from offtake.wire.endpoint import Admission, Endpoint, IncomingRequest
from offtake.wire.native.auth import NativeCall, authenticate
from offtake.wire.native.faults import Fault, InvalidFields, unknown
from offtake.wire.native.rates import limit_rate
from offtake.wire.native.settings import CREATE, PREVIEW, READ, NativeSettings
from offtake.wire.native.sound_parts import sound_parts
from offtake.wire.native.tables import NAME
from offtake.wire.native.validation import faults_of
from offtake.wire.pipeline import admit, note_denial, render_refusal, run_in_loop, run_in_threads

Handler = Callable[[Request], Coroutine[Any, Any, Response]]
_ADMISSIONS = {
    operation: Admission(authenticate=authenticate, limit_rate=limit_rate(operation))
    for operation in (CREATE, PREVIEW, READ)
}
_RATE = "offtake_rate"  # attribute of a path operation: the name of its rate
_CHECK = "offtake_check"  # attribute of a path operation: what checks its body besides pydantic
_CALL = "offtake.call"  # scope key: the authenticated call, and the headers of its rate
_POLL = "offtake_poll"  # attribute of a path operation: the endpoint that answers it without FastAPI


def counted_as(rate: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Count the requests of a path operation against that rate instead of the one for all other requests."""

    def mark(operation: Callable[..., Any]) -> Callable[..., Any]:
        setattr(operation, _RATE, rate)
        return operation

    return mark


def checked_by(check: Callable[[Any, NativeCall], None]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Name the check that a path operation makes of its body beyond the model's; it raises InvalidFields.

    If pydantic refuses parts of a body, the check is made of the other parts, so that one answer has all faults.
    """

    def mark(operation: Callable[..., Any]) -> Callable[..., Any]:
        setattr(operation, _CHECK, check)
        return operation

    return mark


def answered_by(
    endpoint: Endpoint[NativeSettings, Any, Any, Any],
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Let an endpoint answer the requests of a path operation that have no query.

    FastAPI would take a third of the time of a poll to read no parameters and to serialise the model.
    """

    def mark(operation: Callable[..., Any]) -> Callable[..., Any]:
        setattr(operation, _POLL, endpoint)
        return operation

    return mark


class JsonRequest(Request):
    """A request whose JSON body the shared reader has parsed."""

    parsed: dict[str, Any]

    async def parse(self) -> None:
        """Read and parse the body. Raises UnsupportedMedia, MalformedBody."""
        if media_type(self) != JSON:
            raise UnsupportedMedia(f"Send the body as {JSON}.")
        self.parsed = await run_in_threadpool(parse_json_object, await self.body())

    async def json(self) -> dict[str, Any]:
        """Return the parsed body."""
        return self.parsed


class NativeRoute(APIRoute):
    """A route that runs its path operation in the pipeline."""

    async def handle(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """Authenticate and count the request. Answer it by the endpoint of polls or by the path operation."""
        if scope["method"] not in (self.methods or ()):
            await super().handle(scope, receive, send)  # 405
            return
        request = Request(scope, receive, send)
        wire: Wire[NativeSettings] = request.app.state.wires[NAME]
        endpoint: Endpoint[NativeSettings, Any, Any, Any] | None = getattr(self.endpoint, _POLL, None)
        if endpoint is not None and not scope["query_string"]:
            answer = run_in_loop if endpoint.runs_inline(wire) else run_in_threads
            await (await answer(endpoint, wire, request))(scope, receive, send)
            return
        incoming = IncomingRequest(request=request, body=b"", wire=wire)
        call, rate_headers = await _admit(incoming, getattr(self.endpoint, _RATE, READ))
        await turns_in_loop(scope).one_of_this_moment(call.by.principal.tenant)
        scope[_CALL] = call, rate_headers
        await super().handle(scope, receive, send)

    def get_route_handler(self) -> Handler:
        """The path operation, from the check of its parameters on, for an admitted request."""
        operate = super().get_route_handler()
        only_decode = self._without_operation()
        has_body = self.body_field is not None
        check: Callable[[Any, NativeCall], None] | None = getattr(self.endpoint, _CHECK, None)
        parameters = [each.alias for each in self.dependant.query_params]

        async def operate_admitted(request: Request) -> Response:
            call, rate_headers = request.scope[_CALL]
            try:
                typed = JsonRequest(request.scope, request.receive)
                typed.state.call = call
                misspelt = _unknown_parameters(request, parameters)
                if has_body:
                    await typed.parse()
                response = await (only_decode if misspelt else operate)(typed)
            except RequestValidationError as error:
                found = [*misspelt, *faults_of(error, self.body_field)]
                sent = typed.parsed if has_body else None
                faults = await run_in_threadpool(_all_faults, found, sent, self.body_field, check, call)
                return _refuse(InvalidFields(faults), call, rate_headers)
            except (ExportError, HTTPException) as error:
                return _refuse(error, call, rate_headers)
            response.headers.update(rate_headers)
            return response

        return operate_admitted

    def _without_operation(self) -> Handler:
        """The path operation without its function: every request that is permitted and has no fault is invalid."""

        def operation(**_: Any) -> None:
            raise RequestValidationError([])

        twin = copy(self)
        twin.dependant = replace(self.dependant, call=operation)
        return APIRoute.get_route_handler(twin)


def _all_faults(
    found: Sequence[Fault],
    sent: Mapping[str, Any] | None,
    body_field: Any,
    check: Callable[[Any, NativeCall], None] | None,
    call: NativeCall,
) -> Sequence[Fault]:
    """Return the faults of a request: those found, and what the operation's check finds in the rest of the body."""
    rest = None if check is None or sent is None else sound_parts(body_field.field_info.annotation, sent)
    if check is not None and rest is not None:
        try:
            check(rest.body, call)
        except InvalidFields as refusal:
            return [*found, *rest.further(refusal.faults, found)]
    return found


def reads_inline(wire: Wire[NativeSettings]) -> bool:
    """Whether an export is read in the event loop: a point read of an embedded database takes less than a thread.

    Where reads are counted or audited, a poll writes as well, and a write may have to wait.
    """
    if not wire.on.database.reads_in_process:
        return False
    limits = wire.on.limits[NAME]
    return not any(each.audit_reads or READ in each.rates for each in (limits.default, *limits.overrides.values()))


async def _admit(incoming: IncomingRequest[NativeSettings], rate: str) -> tuple[NativeCall, Mapping[str, str]]:
    """Authenticate and count the request. In the event loop, if that is two point reads of an embedded database."""
    on = incoming.on
    limits = on.limits[NAME]
    is_counted = any(rate in each.rates for each in (limits.default, *limits.overrides.values()))
    if on.database.reads_in_process and not is_counted:
        return admit(_ADMISSIONS[rate], incoming)
    return await run_in_threadpool(admit, _ADMISSIONS[rate], incoming)


def _unknown_parameters(request: Request, known: Sequence[str]) -> list[Fault]:
    """Return the faults of parameters of the query that the operation does not have: probably misspelt ones."""
    names = [name for name in request.query_params if name not in known]
    return [replace(unknown("parameter", name, known), parameter=name) for name in names]


def _refuse(error: ExportError | HTTPException, call: NativeCall, rate_headers: Mapping[str, str]) -> Response:
    """The answer to a refused request. Without headers of a rate, the server's handlers answer."""
    if isinstance(error, ExportError):
        note_denial(call, error)
    if not rate_headers:
        raise error
    response = render_refusal(error, call)
    response.headers.update(rate_headers)
    return response


class _Authorised(HTTPBearer):
    """The authorisation step: a dependency that returns the call of the authenticated caller, if it has the scope.

    It also declares the security scheme in the OpenAPI document.
    """

    def __init__(self, scope: Scope) -> None:
        super().__init__(
            scheme_name="bearer",
            description="A token from `offtake credential add TENANT --kind token`, or an access token of an OAuth "
            "client.",
        )
        self._scope = scope

    async def __call__(self, request: Request) -> NativeCall:  # type: ignore[override]
        """Raises NotPermitted."""
        call: NativeCall = request.state.call
        require(call.by.principal, self._scope)
        return call


Reader = Annotated[NativeCall, Security(_Authorised(Scope.READ), scopes=[Scope.READ])]  # a caller that may read
Writer = Annotated[NativeCall, Security(_Authorised(Scope.WRITE), scopes=[Scope.WRITE])]  # one that may create
