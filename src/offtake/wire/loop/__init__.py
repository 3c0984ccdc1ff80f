"""Loop export reports (the Loop contract): JSON over HTTP, personal tokens, signed links under a separate path."""

from offtake.http.errors import ErrorSurface
from offtake.wire.dialect import Dialect
from offtake.wire.loop.errors import render_error
from offtake.wire.loop.openapi import DOCUMENT_PATH, document
from offtake.wire.loop.presentation import presentation
from offtake.wire.loop.routes import router
from offtake.wire.loop.settings import LoopSettings
from offtake.wire.loop.tables import API, LARGEST_BODY, LINK, NAME

LOOP = Dialect(
    name=NAME,
    settings=LoopSettings,
    router=router,
    presentation=presentation,
    document=document,
    document_path=DOCUMENT_PATH,
    errors=ErrorSurface(prefixes=(API, LINK), render=render_error, max_body=LARGEST_BODY),
)

__all__ = ["LOOP"]
