"""Whether csv cells are guarded against formulas: the setting decides, unless the request does."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from offtake.model.report import Publication
from offtake.wire.khoros.presentation import presentation as khoros
from offtake.wire.khoros.settings import KhorosSettings
from offtake.wire.talkdesk.presentation import presentation as talkdesk
from offtake.wire.talkdesk.settings import TalkdeskSettings
from tests.fixtures.exports import EXPORT
from tests.property.exporting import catalogue

DIALECTS = {
    "talkdesk": lambda setting: talkdesk(TalkdeskSettings(csv_guard_formulas=setting)),
    "khoros": lambda setting: khoros(KhorosSettings(csv_guard_formulas=setting)),
}


def _publication(dialect: str) -> Publication:
    return next(found for (of, _), found in catalogue().publications.items() if of == dialect)


@pytest.mark.parametrize("setting", [False, True])
@pytest.mark.parametrize("asked", [None, False, True])
@pytest.mark.parametrize("format_name", ["csv", "json"])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_request_overrides_the_setting(dialect: str, format_name: str, asked: bool | None, setting: bool) -> None:
    request: Any = replace(EXPORT, dialect=dialect, format=format_name, guard_formulas=asked)
    layout = DIALECTS[dialect](setting)(_publication(dialect), request)
    assert layout.shown.guard_formulas is (format_name == "csv" and (setting if asked is None else asked))
