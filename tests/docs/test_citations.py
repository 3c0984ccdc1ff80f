"""Checks of citations: sections of the wire contracts, and pages named in code, tests and the manual."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONTRACTS = ROOT / "docs" / "reference" / "contracts"
DIALECTS = ("Khoros", "Talkdesk", "Loop")
SUFFIXES = {".conf", ".html", ".md", ".py", ".service", ".sh", ".sql", ".toml", ".yaml", ".yml"}
FOLDERS = ("src", "tests", "tools", "deploy", "docs", "changelog.d")

NUMBER = r"\d{1,2}(?:\.\d{1,2})?"
CITATION = re.compile(rf"\b({'|'.join(DIALECTS)}) contract ({NUMBER}(?:(?:, | and | to ){NUMBER})*)(?![\d.]*\d)")
RULE = re.compile(r"\bLoop contract 5\.2, (V\d+)(?: to (V\d+))?|\brules (V\d+) to (V\d+) of Loop contract 5\.2")
GOLDEN = re.compile(r"\bgolden\(\s*f?\"(\d[\w.-]*)\",\s*\"(\w+)\"")
CURL_LINE = re.compile(r"^# (\d\S*) (\w+) ", re.MULTILINE)  # above each line of a shell file
MARKS = {"documented", "seen", "inferred", "proposed"}

# A section without the name of its document.
NAMELESS = re.compile(
    rf"(?<!RFC \d\d\d\d )(?<!RFC \d\d\d\d, )\b[Ss]ections? {NUMBER}\b"
    rf"|(?<!Khoros )(?<!Talkdesk )(?<!Loop )\b[Cc]ontract,? (?:sections? )?{NUMBER}\b"
)
# In the folders of a dialect also a bare number, at the beginning of a docstring or in parentheses.
BARE = re.compile(
    rf'"""{NUMBER}(?:(?:, | and | to ){NUMBER})*[.,:;]'
    r"|(?<![\w\]])\([1-9]\d?\.\d{1,2}(?:\)|[,;] [a-z])"
    r'|\(V\d+\)|"""V\d+'
)
DIALECT_FILES = re.compile(r"(?:^|/)(?:khoros|talkdesk|loop)/|wire\.\w+\.toml$")

MENTION = re.compile(r"(?<![\w/.:<>*{}-])(?:\.{0,2}/)?[\w][\w./-]*\.md\b")
NOT_PAGES = {"README.md"}  # a name in many folders


def _files(*folders: str) -> Iterator[Path]:
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in SUFFIXES and path != Path(__file__) and "__pycache__" not in path.parts:
                yield path


def _text(path: Path) -> str:
    """Read a file without the line breaks inside sentences, so that a citation may span two lines."""
    return re.sub(r"\n[ \t]*(?:#|--)?[ \t]*", " ", path.read_text("utf-8"))


@cache
def _sections(dialect: str) -> frozenset[str]:
    """Numbers of headings; items of a numbered list count as sections below that of the list."""
    found, at = set(), ""
    for line in (CONTRACTS / f"{dialect.lower()}.md").read_text("utf-8").splitlines():
        if heading := re.match(r"#{2,3} (\d+(?:\.\d+)?)[. ]", line):
            at = heading[1]
            found.add(at)
        elif (item := re.match(r"(\d+)\. ", line)) and "." not in at:
            found.add(f"{at}.{item[1]}")
    return frozenset(found)


@cache
def _rules() -> frozenset[str]:
    return frozenset(re.findall(r"^\| (V\d+) \|", (CONTRACTS / "loop.md").read_text("utf-8"), re.MULTILINE))


def _cited(numbers: str) -> Iterator[str]:
    return iter(re.findall(NUMBER, numbers))


def test_the_contracts_have_sections() -> None:
    assert {dialect: len(_sections(dialect)) > 30 for dialect in DIALECTS} == dict.fromkeys(DIALECTS, True)
    assert _rules() == {f"V{number}" for number in range(1, 17)}


def test_every_cited_section_exists() -> None:
    count, missing = 0, []
    for path in _files(*FOLDERS):
        text = _text(path)
        for dialect, numbers in CITATION.findall(text):
            count += 1
            missing += [(path, dialect, number) for number in _cited(numbers) if number not in _sections(dialect)]
        missing += [
            (path, "Loop", rule) for found in RULE.findall(text) for rule in found if rule and rule not in _rules()
        ]
    assert missing == []
    assert count > 200


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_contract_refers_to_its_own_sections(dialect: str) -> None:
    text = _text(CONTRACTS / f"{dialect.lower()}.md")
    numbers = re.findall(rf"\bsections? ({NUMBER}(?:(?:, | and | to ){NUMBER})*)", text)
    assert [number for found in numbers for number in _cited(found) if number not in _sections(dialect)] == []


@pytest.mark.parametrize("dialect", DIALECTS)
def test_golden_exchanges_name_a_section_and_a_mark(dialect: str) -> None:
    count, wrong = 0, []
    for path in _files(f"tests/contract/{dialect.lower()}"):
        pattern = CURL_LINE if path.suffix == ".sh" else GOLDEN
        for name, mark in pattern.findall(path.read_text("utf-8")):
            count += 1
            section, _, rule = name.partition("-")
            if section not in _sections(dialect) or mark not in MARKS or (rule and rule not in _rules()):
                wrong.append((path.name, name, mark))
    assert wrong == []
    assert count > 20


def test_no_section_is_cited_without_its_document() -> None:
    found = []
    for path in _files(*FOLDERS):
        if path.parent == CONTRACTS:
            continue
        text = _text(path)
        found += [(str(path.relative_to(ROOT)), match[0]) for match in NAMELESS.finditer(text)]
        if DIALECT_FILES.search(str(path.relative_to(ROOT))):
            found += [(str(path.relative_to(ROOT)), match[0]) for match in BARE.finditer(text)]
    assert found == []


def test_every_page_that_is_mentioned_exists() -> None:
    pages = {str(page.relative_to(ROOT)) for folder in FOLDERS for page in (ROOT / folder).rglob("*.md")}
    pages |= {page.name for page in ROOT.glob("*.md")}
    missing = []
    others = [ROOT / name for name in ("Makefile", "pyproject.toml", "README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
    for path in (*_files(*FOLDERS), *others):
        for mention in MENTION.findall(path.read_text("utf-8")):
            name = re.sub(r"^(?:\.{1,2}/)+", "", mention)
            if name not in NOT_PAGES and not any(page == name or page.endswith("/" + name) for page in pages):
                missing.append((str(path.relative_to(ROOT)), mention))
    assert missing == []
