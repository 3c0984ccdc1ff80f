"""The columns of a file: the default ones, or the requested ones in their order; some depend on the format."""

from __future__ import annotations

import pytest

from offtake.core.presentation import choose
from offtake.model.rendering import Rendering
from offtake.model.report import Mark, Publication, PublishedColumn


def column(name: str, *, hidden: bool = False, formats: tuple[str, ...] = ()) -> PublishedColumn:
    return PublishedColumn(
        name=name, source=name, rendering=Rendering.TEXT, mark=Mark.PROPOSED, hidden=hidden, formats=formats
    )


PUBLICATION = Publication(
    dialect="khoros",
    report="any",
    slug="any",
    title="Any",
    aliases=(),
    columns=(column("a"), column("b", hidden=True), column("c"), column("d_millis", formats=("json",))),
)


@pytest.mark.parametrize(
    ("asked", "format_name", "shown"),
    [
        ((), "json", ["a", "c", "d_millis"]),
        ((), "csv", ["a", "c"]),
        (("c", "a"), "json", ["c", "a"]),
        (("b",), "json", ["b"]),
        (("d_millis", "b", "c"), "json", ["d_millis", "b", "c"]),
        (("d_millis", "b", "c"), "csv", ["b", "c"]),  # Khoros contract 5.3: dropped without an error
    ],
)
def test_the_columns_that_are_shown(asked: tuple[str, ...], format_name: str, shown: list[str]) -> None:
    chosen = choose(PUBLICATION, asked, format_name)
    assert [column.name for column in chosen.columns] == shown
    assert (chosen.slug, chosen.dialect) == (PUBLICATION.slug, PUBLICATION.dialect)
