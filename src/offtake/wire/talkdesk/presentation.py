"""The layout of the dialect's files: Talkdesk contract 5."""

from __future__ import annotations

import json
from dataclasses import replace

from offtake.core.presentation import Presentation
from offtake.model.format_options import CsvOptions
from offtake.model.layout import ColumnLayout, Framing, Layout
from offtake.model.rendering import Rendering
from offtake.model.report import Publication, PublishedColumn
from offtake.model.request import ExportRequest
from offtake.wire.talkdesk.settings import TalkdeskSettings
from offtake.wire.talkdesk.tables import FILE_VERSION

# A csv file cannot hold arrays.
_CSV = {Rendering.LIST: Rendering.LIST_TEXT}
# With csv_datetimes = "plain" (the literal reading of Talkdesk contract 5.2), instants in csv have no zone letter.
_PLAIN = {
    Rendering.INSTANT_Z: Rendering.LOCAL_SECONDS,
    Rendering.INSTANT_Z_OR_EMPTY: Rendering.LOCAL_SECONDS,
}


def label(column: PublishedColumn) -> str:
    """The csv header of a column: its label, else its name split on ``_`` with each word capitalised."""
    if column.label is not None:
        return column.label
    return " ".join(word[:1].upper() + word[1:] for word in column.name.split("_"))


def presentation(settings: TalkdeskSettings) -> Presentation:
    """The layout of Talkdesk contract 5 under the options of one tenant."""

    def present(publication: Publication, request: ExportRequest) -> Layout:
        columns = tuple(c for c in publication.columns if settings.legacy_columns or not c.legacy)
        names = tuple(column.name for column in columns)
        if request.format != "csv":
            return Layout(
                shown=ColumnLayout(columns=columns, headers=names, order=publication.order),
                framing=_framing(publication),
            )
        instead = _CSV | _PLAIN if settings.csv_datetimes == "plain" else _CSV
        columns = tuple(replace(c, rendering=instead.get(c.rendering, c.rendering)) for c in columns)
        headers = tuple(map(label, columns)) if settings.csv_header == "labels" else names
        guard_formulas = request.guards_formulas(default=settings.csv_guard_formulas)
        return Layout(
            shown=ColumnLayout(
                columns=columns, headers=headers, order=publication.order, guard_formulas=guard_formulas
            ),
            framing=Framing(csv=CsvOptions(line_end="\n")),
        )

    return present


def _framing(publication: Publication) -> Framing:
    """``{"type","version","entries":[…],"total":n}``, Talkdesk contract 5.1."""
    head = json.dumps({"type": publication.slug, "version": FILE_VERSION}, separators=(",", ":"))
    return Framing(head=head[:-1] + ',"entries":[', tail='],"total":', end="}", counted=True)
