"""The order that a publication declares is that of the file in every dialect and format."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from offtake.core.presentation import Presentation
from offtake.model.rendering import Rendering
from offtake.model.report import Mark, Publication, PublishedColumn
from offtake.model.request import ExportRequest
from offtake.model.timespan import Timespan
from offtake.wire.khoros.presentation import presentation as khoros
from offtake.wire.khoros.settings import KhorosSettings
from offtake.wire.loop.presentation import presentation as loop
from offtake.wire.loop.settings import LoopSettings
from offtake.wire.talkdesk.presentation import presentation as talkdesk
from offtake.wire.talkdesk.settings import TalkdeskSettings

PUBLICATION = Publication(
    dialect="any",
    report="sales",
    slug="sales",
    title="Sales",
    aliases=(),
    columns=(PublishedColumn(name="id", source="sale_id", rendering=Rendering.TEXT, mark=Mark.PROPOSED),),
    order=("started_at", "sale_id"),
)
DAY = Timespan(start=datetime(2026, 3, 2, tzinfo=UTC), end=datetime(2026, 3, 3, tzinfo=UTC), zone="UTC")
REQUEST = ExportRequest(dialect="any", report="sales", format="json", timespan=DAY, name="any", account_zone="UTC")


@pytest.mark.parametrize(
    ("present", "formats"),
    [
        pytest.param(khoros(KhorosSettings()), ("json", "csv"), id="khoros"),
        pytest.param(talkdesk(TalkdeskSettings()), ("json", "csv"), id="talkdesk"),
        pytest.param(loop(LoopSettings()), ("json", "xlsx"), id="loop"),
    ],
)
def test_the_declared_order_is_that_of_the_file(present: Presentation, formats: tuple[str, ...]) -> None:
    for name in formats:
        assert present(PUBLICATION, replace(REQUEST, format=name)).shown.order == PUBLICATION.order


def test_a_setting_of_khoros_leaves_rows_unsorted() -> None:
    layout = khoros(KhorosSettings(sorted_rows=False))(PUBLICATION, REQUEST)
    assert layout.shown.order == ()
