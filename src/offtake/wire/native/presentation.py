"""The layout of the dialect's files: the report's own columns under their own names."""

from __future__ import annotations

from dataclasses import replace

from offtake.core.presentation import Presentation
from offtake.model.layout import ColumnLayout, Framing, Layout
from offtake.model.rendering import Rendering, in_cells
from offtake.model.report import Publication
from offtake.model.request import ExportRequest
from offtake.wire.native.settings import NativeSettings


def presentation(settings: NativeSettings) -> Presentation:
    """Names of columns as headers in all formats; a JSON file is an array of objects."""

    def present(publication: Publication, request: ExportRequest) -> Layout:
        columns = publication.columns
        headers = tuple(column.name for column in columns)
        if request.format == "xlsx":
            columns = tuple(replace(column, rendering=in_cells(column.rendering)) for column in columns)
        if request.format == "csv":
            text = {Rendering.LIST: Rendering.LIST_TEXT}
            columns = tuple(replace(each, rendering=text.get(each.rendering, each.rendering)) for each in columns)
        guard_formulas = request.guards_formulas(default=settings.csv_guard_formulas)
        shown = ColumnLayout(columns=columns, headers=headers, order=publication.order, guard_formulas=guard_formulas)
        return Layout(shown=shown, framing=Framing(line_end="\r\n" if request.format == "csv" else "\n"))

    return present
