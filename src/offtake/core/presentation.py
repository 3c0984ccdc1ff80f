"""Presentation of a report by a dialect, and the choice of its columns and of their order for one request."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from offtake.formats import format_of
from offtake.model.format_options import CsvOptions
from offtake.model.layout import ColumnLayout, Framing, Layout
from offtake.model.report import Publication
from offtake.model.request import ExportRequest
from offtake.model.typed_values import typed_rendering

# Each dialect provides one: (publication with the chosen columns, request) -> layout.
Presentation = Callable[[Publication, ExportRequest], Layout]


def layout_of(publication: Publication, request: ExportRequest, present: Presentation) -> Layout:
    """Return the layout of a request's file: the chosen columns as the dialect presents them, in the requested order.

    Without a requested order, the rows are sorted as the dialect publishes the report.
    """
    layout = present(choose(publication, request.columns, request.format), request)
    return replace(layout, shown=replace(layout.shown, order=request.order)) if request.order else layout


def choose(publication: Publication, names: tuple[str, ...], format_name: str) -> Publication:
    """Return the publication with the requested columns in their order; without names, with the default columns.

    A column that the format does not include is omitted, even if the request names it. All names are columns of the
    publication: a dialect refuses others when it decodes the request.
    """
    available = {c.name: c for c in publication.columns if not c.formats or format_name in c.formats}
    if names:
        columns = tuple(available[name] for name in names if name in available)
    else:
        columns = tuple(column for column in available.values() if not column.hidden)
    return replace(publication, columns=columns)


def present_typed(publication: Publication, request: ExportRequest, *, guard_formulas: bool = False) -> Layout:
    """Return the layout of typed values under the columns' own names, with the options of the request's format.

    The renderings of the publication are those of ``default_publication``. ``guard_formulas`` decides about csv cells
    if the request does not.
    """
    values, csv = format_of(request).values, request.format_options or CsvOptions()
    columns = tuple(
        replace(column, rendering=typed_rendering(column.rendering, values, csv)) for column in publication.columns
    )
    shown = ColumnLayout(
        columns=columns,
        headers=tuple(column.name for column in columns),
        order=publication.order,
        guard_formulas=request.guards_formulas(default=guard_formulas),
    )
    return Layout(shown=shown, framing=Framing(csv=csv))
