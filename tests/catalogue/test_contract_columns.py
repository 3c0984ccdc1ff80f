"""The wire contracts list every export of the vendors and every column that it publishes.

Hidden columns are Offtake's own: no contract lists them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from offtake.catalogue import BUILT_IN
from offtake.catalogue.load import Catalogue, load_catalogue
from offtake.lake.tables import tables
from offtake.wire.presentations import PRESENTATIONS
from tests.contract.talkdesk.rows import REPORTS, names

CONTRACTS = Path(__file__).parents[2] / "docs" / "reference" / "contracts"
CATALOGUE: Catalogue = load_catalogue(
    BUILT_IN,
    tables={name: dict(table.stored_columns) for name, table in tables().items()},
    dialects=list(PRESENTATIONS),
)
PUBLISHED = {
    (dialect, publication.slug): [column.name for column in publication.columns if not column.hidden]
    for (dialect, _), publication in CATALOGUE.publications.items()
}
TALKDESK = [pytest.param(slug, id=slug) for dialect, slug in PUBLISHED if dialect == "talkdesk"]
_SECTION = re.compile(r"^### (?P<number>\d+\.\d+) (?P<title>.*)\n(?P<body>(?:(?!##).*\n)*)", re.MULTILINE)
_RANGE = re.compile(r"(\w+?)(\d+) \.\.\. \1(\d+)")  # text_custom_field_n1 ... text_custom_field_n4
_ALTERNATIVES = re.compile(r"\b([A-Z_]+_)ID/NAME/EMAIL\b")


def _sections(dialect: str, chapter: int) -> dict[str, str]:
    """Return the bodies of the chapter's sections that are named after an export: the name, without its folder."""
    page = (CONTRACTS / f"{dialect}.md").read_text(encoding="utf-8")
    found = {}
    for section in _SECTION.finditer(page):
        name = re.search(r"`([\w/]+)`", section["title"])
        if name and section["number"].split(".")[0] == str(chapter):
            found[name[1].rsplit("/", 1)[-1]] = section["body"]
    return found


def _listed(section: str, heading: str) -> Iterator[str]:
    """Yield the cells of the column ``heading`` in the tables of a section; one cell may name several columns."""
    position: int | None = None
    for line in section.split("\n"):
        cells = [cell.strip() for cell in line.strip("| ").split(" | ")] if line.startswith("|") else []
        if heading in cells:
            position = cells.index(heading)
        elif position is not None and cells and not set(line) <= set("|-: "):
            for name in cells[position].replace("`", "").split(", "):
                several = _RANGE.fullmatch(name)
                if several:
                    first, last = int(several[2]), int(several[3])
                    yield from (f"{several[1]}{number}" for number in range(first, last + 1))
                else:
                    yield name


@pytest.mark.parametrize(("dialect", "chapter"), [("khoros", 3), ("talkdesk", 6)])
def test_every_export_of_a_vendor_has_a_section_in_its_contract(dialect: str, chapter: int) -> None:
    """Khoros contract 3 and Talkdesk contract 6."""
    assert sorted(_sections(dialect, chapter)) == sorted(slug for of, slug in PUBLISHED if of == dialect), (
        "a built-in report is an export of a vendor with a section in its wire contract; "
        "add any other report to a folder of the setting catalogue.folders"
    )


@pytest.mark.parametrize("slug", TALKDESK)
def test_the_talkdesk_contract_lists_the_published_columns(slug: str) -> None:
    """Talkdesk contract 6."""
    assert list(_listed(_sections("talkdesk", 6)[slug], "column")) == PUBLISHED["talkdesk", slug], (
        f"the table of {slug} in docs/reference/contracts/talkdesk.md lists the columns of its wire.talkdesk.toml"
    )


@pytest.mark.parametrize("slug", TALKDESK)
def test_the_strict_model_has_the_published_columns(slug: str) -> None:
    """Talkdesk contract 6: tests that need a server decode files with these models."""
    assert slug in REPORTS, f"add a model of {slug} to REPORTS in tests/contract/talkdesk/rows.py"
    assert names(slug) == PUBLISHED["talkdesk", slug], (
        f"the model of {slug} in tests/contract/talkdesk/rows.py has the columns of its wire.talkdesk.toml"
    )


def test_the_loop_contract_lists_the_published_columns() -> None:
    """Loop contract 12.2."""
    page = (CONTRACTS / "loop.md").read_text(encoding="utf-8")
    (section,) = (section["body"] for section in _SECTION.finditer(page) if section["number"] == "12.2")
    (published,) = (columns for (dialect, _), columns in PUBLISHED.items() if dialect == "loop")
    assert list(_listed(section, "Json key")) == published, (
        "the table in docs/reference/contracts/loop.md lists the columns of wire.loop.toml"
    )


def test_the_khoros_contract_names_the_published_columns() -> None:
    """Khoros contract 3: a section refers to others for the columns that they share, so only names are compared."""
    page = (CONTRACTS / "khoros.md").read_text(encoding="utf-8")
    named = set(re.findall(r"\b[A-Z]+(?:_[A-Z]+)*\b", page))
    for prefix in _ALTERNATIVES.findall(page):
        named |= {prefix + end for end in ("ID", "NAME", "EMAIL")}
    published = {name for (dialect, _), columns in PUBLISHED.items() if dialect == "khoros" for name in columns}
    missing = {name for name in published if name.removesuffix("_MILLIS") not in named}
    assert missing == set(), "add these columns to their sections in docs/reference/contracts/khoros.md"
