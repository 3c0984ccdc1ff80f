"""Checks of the manual: its links resolve, its diagram of states matches the code, and its lists are complete."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from itertools import chain
from pathlib import Path

import pytest

import offtake
from demo import MARKER
from offtake.lake.tables import tables
from offtake.model.job import MOVES, Status

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("changelog.d/*.md"), *ROOT.glob("src/**/*.md")]
)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def _anchors(page: Path) -> set[str]:
    """Return anchors as GitHub makes them from headings."""
    headings = re.findall(r"^#+ +(.+)$", FENCED.sub("", page.read_text("utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_resolve(page: Path) -> None:
    broken = []
    for target in LINK.findall(FENCED.sub("", page.read_text("utf-8"))):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        if not file.exists() or (anchor and anchor not in _anchors(file)):
            broken.append(target)
    assert not broken


# Options and programs of GNU that macOS and the BSDs lack, or that mean something else there.
GNU_ONLY = re.compile(
    r"\bdate\b[^|\n]*( -d| --date| -I|%N)|\bsed +(-[nE]*[ir]|--)|\breadlink +-f|\bstat +(-c|--)|\bgrep +-\w*P"
    r"|\bxargs +-\w*r|\bbase64 +(-w|--)|\b(sha\d+|md5)sum\b|\bhead +-n? *-\d+ |\bmktemp +--|\bfind\b[^|\n]* -printf"
    r"|(?<![\w-])(cp|mv|ln|ls|rm|sort|touch|du|df|wc|cut|tr) +[^|\n]*--[a-z]"
    r"|\becho +-e|^ *(tac|shuf|nproc|numfmt|timeout) "
)


def test_the_manual_uses_no_commands_that_only_gnu_has() -> None:
    for command in ("X=$(date -u -d yesterday +%F)", "sed -i s/a/b/ x", "sha256sum --check", "cp --archive a b"):
        assert GNU_ONLY.search(command), command
    pages = [ROOT / "README.md", ROOT / "clients" / "python" / "README.md", *ROOT.glob("docs/**/*.md")]
    lines = (
        (page.name, line)
        for page in pages
        for language, block in re.findall(r"^```(\w*)\n(.*?)^```$", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)
        if language in {"", "sh"}
        for line in block.splitlines()
    )
    assert [(name, line) for name, line in lines if GNU_ONLY.search(line)] == []


def test_every_page_is_in_the_index() -> None:
    index = ROOT / "docs" / "README.md"
    reports = ROOT / "docs" / "reference" / "reports.md"  # the page that lists the reports' pages
    listed = {
        (page.parent / target).resolve()
        for page in (index, reports)
        for target in LINK.findall(page.read_text("utf-8"))
    }
    unlisted = {page for page in ROOT.glob("docs/**/*.md") if page != index} - listed
    assert not unlisted


def test_the_data_model_states_which_instants_a_load_compares() -> None:
    page = (ROOT / "docs" / "reference" / "tables.md").read_text("utf-8")
    rules = [(column.name, column.not_before) for table in tables().values() for column in table.columns]
    compared = [(name, earlier) for name, earlier in rules if earlier is not None]
    assert re.findall(r"^\| `(\w+)` .* Not before `(\w+)`\. \|$", page, re.MULTILINE) == compared


def test_the_diagram_of_states_matches_the_table_of_moves() -> None:
    text = (ROOT / "docs" / "explanation" / "jobs.md").read_text("utf-8")
    drawn = re.findall(r"^ +(\w+) --> (\w+):", text, re.MULTILINE)
    assert len(drawn) == len(set(drawn))
    assert {(Status(source), Status(target)) for source, target in drawn} == {
        (source, target) for source, targets in MOVES.items() for target in targets
    }


def test_every_make_target_is_documented() -> None:
    listed = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    targets = re.findall(r"^make (\w+)", listed, re.MULTILINE)
    assert "demo" in targets
    text = (ROOT / "README.md").read_text("utf-8") + (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    assert [target for target in targets if f"make {target}" not in text] == []


def test_make_clean_removes_what_the_demo_left_and_no_other_home(tmp_path: Path) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    for name in ("demo-home/lake", ".bench", "dist", "site", "readme-home", ".venv"):
        (tmp_path / name).mkdir(parents=True)
    clean = ["make", "clean"]
    refused = subprocess.run(clean, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert "demo-home was not made by make demo" in refused.stderr
    assert (tmp_path / "demo-home" / "lake").is_dir()
    (tmp_path / "demo-home" / MARKER).write_text("")
    subprocess.run(clean, cwd=tmp_path, capture_output=True, check=True)
    assert {path.name for path in tmp_path.iterdir()} == {"Makefile", "readme-home", ".venv"}


def test_the_demo_deletes_no_home_that_it_did_not_make(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "offtake.toml").write_text("")
    command = [sys.executable, str(ROOT / "tools" / "demo.py"), "--home", str(home)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "was not made by a demo" in " ".join(done.stdout.split())
    assert (home / "offtake.toml").exists()


def test_the_reference_matches_the_code() -> None:
    command = [sys.executable, str(ROOT / "tools" / "reference.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_dependency_is_documented() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    named = [*project["project"]["dependencies"], *chain(*project["dependency-groups"].values())]
    named += chain(*project["project"]["optional-dependencies"].values())
    for folder in ("airbyte", "delta_sharing", "pipelines"):
        own = tomllib.loads((ROOT / "tests" / "fixtures" / folder / "pyproject.toml").read_text("utf-8"))
        named += own["project"]["dependencies"]
    client = tomllib.loads((ROOT / "clients" / "python" / "pyproject.toml").read_text("utf-8"))
    named += [*client["project"]["dependencies"], *chain(*client["project"]["optional-dependencies"].values())]
    wanted = {re.split(r"[^\w-]", requirement)[0] for requirement in named} | {"hatchling", "uv"}
    wanted -= {"offtake-client"}  # it is in this repository
    text = (ROOT / "docs" / "explanation" / "decisions" / "0002-libraries.md").read_text("utf-8")
    assert set(re.findall(r"^\| ([a-z][\w-]*) \|", text, re.MULTILINE)) - {"library"} == wanted


def test_changelog_fragments_are_named_as_their_page_says() -> None:
    names = {path.name for path in (ROOT / "changelog.d").iterdir()} - {"README.md"}
    pattern = r"(\d+(\.\d+)?|\+[a-z0-9-]+)\.(summary|added|changed|fixed|removed|security)\.md"
    assert [name for name in names if not re.fullmatch(pattern, name)] == []


def test_the_changelog_of_the_next_release_has_every_fragment() -> None:
    command = ["make", "changelog", "ARGS=--draft --date 2026-12-01"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert f"## {offtake.__version__} (2026-12-01)" in done.stdout.splitlines()
    assert "\n### This release\n\n" in done.stdout
    section = re.sub(r"\s+", "", done.stdout)
    fragments = [path for path in (ROOT / "changelog.d").iterdir() if path.name != "README.md"]
    missing = [path.name for path in fragments if re.sub(r"\s+", "", path.read_text("utf-8")) not in section]
    assert missing == []
