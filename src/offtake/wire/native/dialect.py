"""The native dialect as the server sees it."""

from __future__ import annotations

from fastapi import APIRouter, Response

from offtake.http.errors import ErrorSurface
from offtake.wire.dialect import Dialect, Wire
from offtake.wire.endpoint import add_document, new_router
from offtake.wire.native.errors import render_error
from offtake.wire.native.exports import head_of_stream
from offtake.wire.native.openapi import DOCUMENT_PATH, document, operations
from offtake.wire.native.route import NativeRoute
from offtake.wire.native.settings import NativeSettings
from offtake.wire.native.tables import API, LARGEST_BODY, NAME


def router(wire: Wire[NativeSettings]) -> APIRouter:
    """All routes of the dialect. HEAD is answered like GET; that of a stream does not wait."""
    heads = APIRouter(route_class=NativeRoute)
    for route in operations():
        if "GET" in (route.methods or ()):
            heads.add_api_route(
                route.path,
                head_of_stream if route.is_sse_stream else route.endpoint,
                methods=["HEAD"],
                status_code=route.status_code,
                response_class=Response if route.is_sse_stream else route.response_class,
                include_in_schema=False,
            )
    routes = new_router(wire.dialect)
    add_document(routes, DOCUMENT_PATH, document(wire.on.catalogue, wire.public_url))
    routes.routes.extend([*operations(), *heads.routes])
    return routes


NATIVE = Dialect(
    name=NAME,
    router=router,
    document=document,
    document_path=DOCUMENT_PATH,
    errors=ErrorSurface(prefixes=(API,), render=render_error, max_body=LARGEST_BODY, renders_unparsed=True),
)
