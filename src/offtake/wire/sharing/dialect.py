"""The dialect as the server sees it."""

from __future__ import annotations

from offtake.http.errors import ErrorSurface
from offtake.wire.dialect import Dialect
from offtake.wire.sharing.errors import render_error
from offtake.wire.sharing.openapi import DOCUMENT_PATH, document
from offtake.wire.sharing.routes import router
from offtake.wire.sharing.tables import API, LARGEST_BODY, NAME

SHARING = Dialect(
    name=NAME,
    router=router,
    document=document,
    document_path=DOCUMENT_PATH,
    errors=ErrorSurface(prefixes=(API,), render=render_error, max_body=LARGEST_BODY),
)
