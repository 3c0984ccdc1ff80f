"""The layout of the dialect's files: typed values under the names of the report's columns."""

from __future__ import annotations

from functools import partial

from offtake.core.presentation import Presentation, present_typed
from offtake.wire.native.settings import NativeSettings


def presentation(settings: NativeSettings) -> Presentation:
    """The layout in all formats."""
    return partial(present_typed, guard_formulas=settings.csv_guard_formulas)
