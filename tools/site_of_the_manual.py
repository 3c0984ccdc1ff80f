"""`make site`: build the manual as a web site in ``site``, from the pages in ``docs``.

The order of the pages is that of the lists in ``docs/README.md``. The site needs no other host: its pages name the rule
that forbids a browser to load anything from elsewhere. Zensical builds it, in an environment of its own.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

from offtake import __version__
from uv_command import ROOT, UvError, run_uv

DOCS = ROOT / "docs"
MARKER = "zensical.toml"  # a file in the working folder
LINK = re.compile(r"\[([^\]]*)\]\(([^)\s]+)\)")
_SECTION = re.compile(r"^\*\*(.+?)\*\*", re.MULTILINE)
# The theme has scripts that other hosts would provide, for features that the manual does not use.
_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "worker-src 'self' blob:"
)
_CONFIGURATION = """\
[project]
site_name = "Offtake {version}"
docs_dir = "docs"
site_dir = "site"
use_directory_urls = false
nav = {nav}

[project.theme]
font = false
features = ["navigation.sections", "navigation.top", "content.code.copy", "search.highlight"]

[project.extra]
generator = false
"""


class SiteError(Exception):
    """The site cannot be built from the pages as they are; the message says what to change."""


def navigation() -> list[tuple[str, list[tuple[str, str]]]]:
    """Return the sections of the index, each with the titles and paths of its pages; all pages are in it once."""
    index = (DOCS / "README.md").read_text("utf-8")
    pages = sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md"))
    left = set(pages) - {"README.md"}
    sections = []
    parts = _SECTION.split(index)[1:]
    for title, text in zip(parts[::2], parts[1::2], strict=True):
        paths = [path for _, path in LINK.findall(text) if path in left]
        for path in list(paths):  # the page reports.md lists those in the folder reports
            paths += [below for below in pages if below.startswith(f"{path.removesuffix('.md')}/") and below in left]
        unique = list(dict.fromkeys(paths))
        left -= set(unique)
        sections.append((title, [(_title(DOCS / path), path) for path in unique]))
    if left:
        raise SiteError(f"docs/README.md has no link to: {', '.join(sorted(left))}.")
    return sections


def _title(page: Path) -> str:
    return page.read_text("utf-8").partition("\n")[0].removeprefix("# ").replace("`", "")


def stage(folder: Path) -> None:
    """Write the configuration and the pages into the working folder.

    A link to a file that is not part of the manual becomes text, and a diagram stays the text that it is written in.
    """
    for page in DOCS.rglob("*.md"):

        def link(found: re.Match[str], page: Path = page) -> str:
            path = found[2].partition("#")[0]
            inside = re.match(r"[a-z]+:", path) or (page.parent / path).resolve().is_relative_to(DOCS)
            return found[0] if inside else found[1]

        staged = folder / "docs" / page.relative_to(DOCS)
        staged.parent.mkdir(parents=True, exist_ok=True)
        staged.write_text(LINK.sub(link, page.read_text("utf-8")).replace("```mermaid", "```text"), "utf-8")
    pages = [{"Contents": "README.md"}, *({title: [dict([page]) for page in listed]} for title, listed in navigation())]
    text = _CONFIGURATION.format(version=__version__, nav=_toml(pages))
    (folder / MARKER).write_text(text, "utf-8")


def _toml(value: object) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{json.dumps(key)} = {_toml(each)}' for key, each in value.items())} }}"
    return json.dumps(value)


def build(working: Path, environment: Path) -> Path:
    """Build the site in the working folder and return its folder. Raises SiteError, UvError."""
    run_uv(
        *("sync", "--quiet", "--locked", "--only-group", "site", "--project", str(ROOT)),
        UV_PROJECT_ENVIRONMENT=str(environment),
    )
    stage(working)
    zensical = [str(environment / "bin" / "zensical"), "build", "--strict", "--clean"]
    done = subprocess.run(zensical, cwd=working, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SiteError(f"`zensical build` ended with exit code {done.returncode}:\n{done.stdout}{done.stderr}")
    site = working / "site"
    for page in site.rglob("*.html"):
        policy = f'<head><meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        text = page.read_text("utf-8")
        if "<head>" not in text:
            raise SiteError(f"{page} has no <head> for the Content-Security-Policy.")
        page.write_text(text.replace("<head>", policy, 1), "utf-8")
    return site


def main() -> int:
    """Build the site, and replace the one that an earlier run left."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.parse_args()
    working, target = ROOT / ".site", ROOT / "site"
    shutil.rmtree(working, ignore_errors=True)
    working.mkdir()
    try:
        built = build(working, ROOT / ".venv-site")
    except (SiteError, UvError) as error:
        sys.stderr.write(f"make site: {error}\n")
        return 1
    shutil.rmtree(target, ignore_errors=True)
    built.rename(target)
    shutil.rmtree(working)
    print(f"{target}: serve it with `python -m http.server --directory site`")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
