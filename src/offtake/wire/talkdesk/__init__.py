"""Talkdesk Explore report jobs (the Talkdesk contract): JSON over HTTP, OAuth tokens, redirects to the file."""

from offtake.http.errors import ErrorSurface
from offtake.wire.dialect import Dialect
from offtake.wire.talkdesk.errors import render_error
from offtake.wire.talkdesk.openapi import DOCUMENT_PATH, document
from offtake.wire.talkdesk.presentation import presentation
from offtake.wire.talkdesk.routes import router
from offtake.wire.talkdesk.settings import TalkdeskSettings
from offtake.wire.talkdesk.tables import NAME

TALKDESK = Dialect(
    name=NAME,
    settings=TalkdeskSettings,
    router=router,
    presentation=presentation,
    document=document,
    document_path=DOCUMENT_PATH,
    errors=ErrorSurface(prefixes=("/data", "/oauth"), render=render_error),
)

__all__ = ["TALKDESK"]
