"""The site of the manual is complete, its links lead to pages and headings, and it loads nothing from other hosts."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path

import pytest

import site_of_the_manual
from uv_command import ROOT

LOADED = re.compile(r"""<(?:script|img|iframe|source)\b[^>]*\bsrc=["']?([^"'\s>]+)|<link\b([^>]*)>|url\(([^)]*)\)""")
EXTERNAL = re.compile(r"(https?:)?//")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site."""
    return site_of_the_manual.build(tmp_path_factory.mktemp("site"), ROOT / ".venv-site")


@pytest.mark.timeout(900)  # the first run downloads its environment
def test_every_page_is_in_the_site_and_can_be_found(site: Path) -> None:
    pages = {path.relative_to(ROOT / "docs").with_suffix(".html").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    pages = {
        page.removesuffix("README.html") + "index.html" if page.endswith("README.html") else page for page in pages
    }
    found = {
        item["location"].partition("#")[0] for item in json.loads((site / "search.json").read_text("utf-8"))["items"]
    }
    assert pages - found == set()
    assert pages - {path.relative_to(site).as_posix() for path in site.rglob("*.html")} == set()


def test_every_link_of_the_site_leads_somewhere(site: Path) -> None:
    headings = {page: set(re.findall(r'\sid="([^"]*)"', page.read_text("utf-8"))) for page in site.rglob("*.html")}
    broken = []
    for page in set(headings) - {site / "404.html"}:  # its links are those of the site's root
        for link in map(html.unescape, re.findall(r'(?:href|src)="([^"]*)"', page.read_text("utf-8"))):
            path, _, heading = link.partition("#")
            target = (page.parent / path).resolve() if path else page
            target = target / "index.html" if target.is_dir() else target
            known = target.exists() and (not heading or heading in headings.get(target, ()))
            if not known and not re.match(r"[a-z]+:", link):
                broken.append((page.name, link))
    assert broken == []


def test_the_site_loads_nothing_from_other_hosts(site: Path) -> None:
    loaded = []
    for file in [*site.rglob("*.html"), *site.rglob("*.css")]:
        for source, link, style in LOADED.findall(file.read_text("utf-8")):
            reference = re.search(r"""href=["']?([^"'\s>]+)""", link) if 'rel="canonical"' not in link else None
            loaded.append(source or style.strip("'\"") or (reference[1] if reference else ""))
    assert len(loaded) > 100
    assert [each for each in loaded if EXTERNAL.match(each)] == []
    without = [page.name for page in site.rglob("*.html") if "default-src 'self';" not in page.read_text("utf-8")]
    assert without == []
    # A browser would draw it with a library of another host.
    assert [page.name for page in site.rglob("*.html") if re.search(r'class="mermaid"', page.read_text("utf-8"))] == []
