"""The Khoros dialect as the server sees it."""

from __future__ import annotations

from offtake.http.errors import ErrorSurface
from offtake.wire.dialect import Dialect
from offtake.wire.khoros.errors import render_error
from offtake.wire.khoros.openapi import DOCUMENT_PATH, document
from offtake.wire.khoros.routes import router
from offtake.wire.khoros.tables import CARE_ROOT, NAME, ROOT

KHOROS = Dialect(
    name=NAME,
    router=router,
    document=document,
    document_path=DOCUMENT_PATH,
    errors=ErrorSurface(prefixes=(ROOT, CARE_ROOT + "/smartviews", CARE_ROOT + "/workqueues"), render=render_error),
)
