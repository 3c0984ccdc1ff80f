"""How the dialect shows a report in a file: section 12 of contracts/loop.md."""

from __future__ import annotations

from offtake.core.presentation import Layout, Presentation
from offtake.engine.plan import Shown
from offtake.model.report import Publication
from offtake.model.request import ExportRequest
from offtake.wire.loop.settings import LoopSettings


def presentation(settings: LoopSettings) -> Presentation:
    """A bare array of flat objects, sorted as the publication says; no setting changes it."""
    del settings

    def present(publication: Publication, request: ExportRequest) -> Layout:
        del request
        columns = publication.columns
        names = tuple(column.name for column in columns)
        return Layout(shown=Shown(columns=columns, headers=names, order=publication.order))

    return present
