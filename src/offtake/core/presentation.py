"""How a dialect shows a report for one request; each dialect gives the core one function that says so."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from offtake.model.layout import Layout
from offtake.model.report import Publication, Rendering
from offtake.model.request import ExportRequest

# A workbook has cells for dates; every other rendering is a cell of the type it yields, a list is joined by the format.
CELLS: Mapping[Rendering, Rendering] = dict.fromkeys(
    (
        Rendering.INSTANT_Z,
        Rendering.INSTANT_Z_OR_EMPTY,
        Rendering.INSTANT_OFFSET,
        Rendering.INSTANT_LOCALE,
        Rendering.LOCAL_SECONDS,
        Rendering.LOCAL_MILLISECONDS,
    ),
    Rendering.LOCAL_INSTANT,
)


Presentation = Callable[[Publication, ExportRequest], Layout]  # the columns that were chosen, for that request


def choose(publication: Publication, names: tuple[str, ...], format_name: str) -> Publication:
    """The publication with the columns a request asks for, in its order; without names, those shown by default.

    A column that the format does not have is left out, even when it is named. Names are known to be the publication's:
    a dialect refuses others when it decodes the request.
    """
    fitting = {c.name: c for c in publication.columns if not c.formats or format_name in c.formats}
    if names:
        columns = tuple(fitting[name] for name in names if name in fitting)
    else:
        columns = tuple(column for column in fitting.values() if not column.hidden)
    return replace(publication, columns=columns)
