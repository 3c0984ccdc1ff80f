"""The Talkdesk dialect as the server sees it."""

from __future__ import annotations

from offtake.http.errors import ErrorSurface
from offtake.wire.dialect import Dialect
from offtake.wire.talkdesk.errors import render_error
from offtake.wire.talkdesk.openapi import DOCUMENT_PATH, document
from offtake.wire.talkdesk.routes import router
from offtake.wire.talkdesk.tables import NAME

TALKDESK = Dialect(
    name=NAME,
    router=router,
    document=document,
    document_path=DOCUMENT_PATH,
    errors=ErrorSurface(prefixes=("/data", "/oauth"), render=render_error),
)
