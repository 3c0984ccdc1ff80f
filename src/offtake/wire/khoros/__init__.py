"""Khoros Care analytics reports (the Khoros contract): HTTP Basic, parameters in query or form, all values as text."""

from offtake.http.errors import ErrorSurface
from offtake.wire.dialect import Dialect
from offtake.wire.khoros.errors import render_error
from offtake.wire.khoros.openapi import DOCUMENT_PATH, document
from offtake.wire.khoros.presentation import presentation
from offtake.wire.khoros.routes import router
from offtake.wire.khoros.settings import KhorosSettings
from offtake.wire.khoros.tables import CARE_ROOT, NAME, ROOT

KHOROS = Dialect(
    name=NAME,
    settings=KhorosSettings,
    router=router,
    presentation=presentation,
    document=document,
    document_path=DOCUMENT_PATH,
    errors=ErrorSurface(prefixes=(ROOT, CARE_ROOT + "/smartviews", CARE_ROOT + "/workqueues"), render=render_error),
)

__all__ = ["KHOROS"]
