"""The Loop dialect as the server sees it."""

from __future__ import annotations

from offtake.http.errors import ErrorSurface
from offtake.wire.dialect import Dialect
from offtake.wire.loop.errors import render_error
from offtake.wire.loop.openapi import DOCUMENT_PATH, document
from offtake.wire.loop.routes import router
from offtake.wire.loop.tables import API, LARGEST_BODY, LINK, NAME

LOOP = Dialect(
    name=NAME,
    router=router,
    document=document,
    document_path=DOCUMENT_PATH,
    errors=ErrorSurface(prefixes=(API, LINK), render=render_error, max_body=LARGEST_BODY),
)
