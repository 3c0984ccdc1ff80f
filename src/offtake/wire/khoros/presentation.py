"""The layout of the dialect's files: Khoros contract 5."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files

from offtake.core.presentation import Presentation
from offtake.model.format_options import CsvOptions
from offtake.model.layout import ColumnLayout, Framing, Layout
from offtake.model.report import Publication, PublishedColumn
from offtake.model.request import ExportRequest
from offtake.wire.khoros.settings import KhorosSettings

_BOM = "\ufeff"


def presentation(settings: KhorosSettings) -> Presentation:
    """The layout of Khoros contract 5 under the options of one tenant."""

    def present(publication: Publication, request: ExportRequest) -> Layout:
        language = request.locale or settings.locale
        is_csv = request.format == "csv"
        style = "label" if is_csv else settings.json_keys
        words = language if settings.labels == "localised" else "en"
        headers = [_header(column, style, words) for column in publication.columns]
        if is_csv and settings.csv_bom:
            headers[0] = _BOM + headers[0]
        shown = ColumnLayout(
            columns=publication.columns,
            headers=tuple(headers),
            instant_pattern=settings.instant_pattern(language),
            order=publication.order if settings.sorted_rows else (),
            guard_formulas=request.guards_formulas(default=settings.csv_guard_formulas),
        )
        return Layout(shown=shown, framing=Framing(csv=CsvOptions(line_end="\r\n")))

    return present


def label(column: PublishedColumn, language: str) -> str:
    """The label of a column in a language; in English if it has no translation."""
    english = column.label or " ".join(word.capitalize() for word in column.name.split("_"))
    return translations().get(english, {}).get(language, english)


@lru_cache(maxsize=1)
def translations() -> Mapping[str, Mapping[str, str]]:
    """Translations of labels by the English label, then by language."""
    return tomllib.loads(files("offtake.wire.khoros").joinpath("labels.toml").read_text(encoding="utf-8"))


def _header(column: PublishedColumn, style: str, language: str) -> str:
    if style == "label":
        return label(column, language)
    return _camel(column.name) if style == "camel" else column.name


def _camel(name: str) -> str:
    first, *others = name.lower().split("_")
    return first + "".join(word.capitalize() for word in others)
