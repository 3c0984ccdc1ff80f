"""Previews: the first rows of a request, at once and without a job."""

from __future__ import annotations

from fastapi import APIRouter

from offtake.core.exports.preview import preview
from offtake.wire.native.documents import PreviewColumn, PreviewDocument
from offtake.wire.native.exports import decoding
from offtake.wire.native.requests import decode_preview
from offtake.wire.native.responses import problems
from offtake.wire.native.route import NativeRoute, Writer, counted_as
from offtake.wire.native.schema import PreviewBody
from offtake.wire.native.settings import PREVIEW
from offtake.wire.native.tables import API

routes = APIRouter(
    prefix=f"{API}/exports",
    tags=["exports"],
    route_class=NativeRoute,
    generate_unique_id_function=lambda route: route.name,
)


@routes.post("/preview", summary="Preview an export.", responses=problems(has_body=True))
@counted_as(PREVIEW)
def preview_export(body: PreviewBody, call: Writer) -> PreviewDocument:
    """Return the first rows of a request as JSON, within seconds. Nothing is created."""
    request = decode_preview(body, decoding(call))
    found = preview(request, call.by, call.on, body.rows)
    types = {column.name: column.type for column in call.on.catalogue.reports[request.report].columns}
    return PreviewDocument(
        report=request.report,
        columns=[PreviewColumn(name=each.name, type=types[each.source]) for each in found.columns],
        rows=[[row[each.name] for each in found.columns] for row in found.rows],
        truncated=found.truncated,
    )
