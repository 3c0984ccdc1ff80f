"""The layout of the dialect's files: the report's own columns under their own names."""

from __future__ import annotations

from dataclasses import replace

from offtake.core.presentation import Presentation
from offtake.model.layout import ColumnLayout, Framing, Layout
from offtake.model.rendering import Rendering
from offtake.model.report import Publication
from offtake.model.request import ExportRequest
from offtake.wire.native.settings import NativeSettings

# The values of the default publication are those of JSON; other formats have other types.
_RENDERINGS: dict[str, dict[Rendering, Rendering]] = {
    "csv": {Rendering.LIST: Rendering.LIST_TEXT},
    "xlsx": {Rendering.LIST: Rendering.LIST_TEXT, Rendering.INSTANT_MICROSECONDS: Rendering.LOCAL_INSTANT},
}


def presentation(settings: NativeSettings) -> Presentation:
    """Names of columns as headers in all formats; a JSON file is an array of objects."""

    def present(publication: Publication, request: ExportRequest) -> Layout:
        instead = _RENDERINGS.get(request.format, {})
        columns = tuple(replace(c, rendering=instead.get(c.rendering, c.rendering)) for c in publication.columns)
        guard_formulas = request.guards_formulas(default=settings.csv_guard_formulas)
        headers = tuple(column.name for column in columns)
        shown = ColumnLayout(columns=columns, headers=headers, order=publication.order, guard_formulas=guard_formulas)
        return Layout(shown=shown, framing=Framing(line_end="\r\n" if request.format == "csv" else "\n"))

    return present
