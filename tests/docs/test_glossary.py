"""Code and glossary use the same words: names in the glossary exist, and retired words are not used."""

from __future__ import annotations

import ast
import re
import tomllib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "offtake"
GLOSSARY = ROOT / "docs" / "reference" / "glossary.md"
RETIRED = tomllib.loads((Path(__file__).with_name("retired_words.toml")).read_text("utf-8"))
SUFFIXES = {".conf", ".html", ".md", ".py", ".service", ".sh", ".sql", ".toml", ".yaml", ".yml"}
NOT_SEARCHED = (
    "docs/reference/contracts/*",
    "docs/reference/glossary.md",
    "docs/reference/reports/*",
    "src/offtake/catalogue/reports/*/cases/*",
    "tests/docs/retired_words.toml",
)


def _texts() -> Iterator[tuple[str, str]]:
    """Path and text of the code, the tests, the tools and the manual."""
    pages = [*ROOT.glob("*.md"), ROOT / "Makefile", ROOT / "pyproject.toml"]
    for folder in ("src", "tests", "docs", "tools", "deploy", "clients", "connectors"):
        pages += [path for path in (ROOT / folder).rglob("*") if path.suffix in SUFFIXES]
    for path in sorted(pages):
        name = str(path.relative_to(ROOT))
        if name != "CHANGELOG.md" and not any(fnmatch(name, pattern) for pattern in NOT_SEARCHED):
            yield name, path.read_text("utf-8")


@cache
def _modules() -> Mapping[str, ast.Module]:
    """Every module by its path below ``src/offtake``."""
    return {str(path.relative_to(SOURCE)): ast.parse(path.read_text("utf-8")) for path in sorted(SOURCE.rglob("*.py"))}


@cache
def _identifiers() -> frozenset[str]:
    """Names that modules define or use: classes, functions, attributes, parameters, fields."""
    return frozenset(name for tree in _modules().values() for name in _names(tree))


def _names(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.Name(id=name) | ast.arg(arg=name):
                yield name
            case ast.Attribute(attr=name):
                yield name


@cache
def _rows() -> tuple[tuple[str, str, str], ...]:
    """The glossary: word, meaning, and what it is not called."""
    cells = [
        line.strip("| ").split(" | ") for line in GLOSSARY.read_text("utf-8").splitlines() if line.startswith("| ")
    ]
    return tuple((row[0], row[1], row[2].rstrip("| ") if len(row) > 2 else "") for row in cells[2:])


def _classes() -> Mapping[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for path, tree in _modules().items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                found[node.name].append(path)
    return found


def test_the_glossary_is_sorted_and_has_each_word_once() -> None:
    words = [word for word, _, _ in _rows()]
    assert len(words) > 80
    assert words == sorted(set(words), key=str.lower)


@pytest.mark.parametrize("word", [row[0] for row in _rows()])
def test_names_that_the_glossary_gives_exist(word: str) -> None:
    meaning = next(row[1] for row in _rows() if row[0] == word)
    missing = []
    for name in re.findall(r"`([^`]+)`", meaning):
        if "/" in name or name.endswith(".py"):
            exists = (SOURCE / name).exists()
        elif re.fullmatch(r"\w+", name):
            exists = name in _identifiers()
        else:
            continue
        if not exists:
            missing.append(name)
    assert missing == []


def test_what_replaces_a_retired_word_is_in_the_glossary() -> None:
    words = {row[0] for row in _rows()}
    assert [entry["instead"] for entry in RETIRED["retired"] if entry["instead"] not in words] == []


@pytest.mark.parametrize("entry", RETIRED["retired"], ids=lambda entry: entry["words"][0])
def test_retired_words_are_not_used(entry: Mapping[str, Any]) -> None:
    # A word inside an identifier counts as well, before or after an underscore.
    pattern = re.compile(rf"(?<![A-Za-z])(?:{'|'.join(entry['words'])})(?![A-Za-z])", re.IGNORECASE)
    phrases = [re.compile(phrase, re.IGNORECASE) for phrase in entry.get("phrases", ())]
    found = []
    for name, text in _texts():
        if any(fnmatch(name, path) for path in entry.get("paths", ())):
            continue
        for number, line in enumerate(text.splitlines(), 1):
            for phrase in phrases:
                line = phrase.sub("", line)
            found += [f"{name}:{number}: {match[0]}" for match in pattern.finditer(line)]
    assert found == []


def test_retired_names_are_not_used() -> None:
    classes = [name for name in _classes() if name.strip("_") in RETIRED["names"]["classes"]]
    modules = [path for path in _modules() if Path(path).stem in RETIRED["names"]["modules"]]
    pattern = re.compile(rf"\b(?:{'|'.join(RETIRED['names']['texts'])})\b")
    texts = [f"{name}: {match}" for name, text in _texts() for match in pattern.findall(text)]
    assert (classes, modules, texts) == ([], [], [])


@pytest.mark.parametrize("folder", ["src", "tests", "tools", "clients"])
def test_retired_identifiers_are_not_used(folder: str) -> None:
    found = []
    for path in sorted((ROOT / folder).rglob("*.py")):
        for name in _names(ast.parse(path.read_text("utf-8"))):
            if name.strip("_").lower() in RETIRED["names"]["identifiers"]:
                found.append(f"{path.relative_to(ROOT)}: {name}")
    assert found == []


def test_a_class_name_means_one_thing() -> None:
    several = {name: paths for name, paths in _classes().items() if len(paths) > 1 and not name.startswith("_")}
    assert sorted(several) == sorted(RETIRED["homonyms"])


def test_kind_is_a_variant_of_an_enumeration() -> None:
    """A parameter or field ``kind`` has the type of an enumeration of variants; a log event has no field ``kind``."""
    found = []
    for path, tree in _modules().items():
        for node in ast.walk(tree):
            match node:
                case (
                    ast.arg(arg="kind", annotation=annotation)
                    | ast.AnnAssign(target=ast.Name(id="kind"), annotation=annotation)
                ):
                    if annotation is None or not re.search(r"[a-z]Kind\b", ast.unparse(annotation)):
                        found.append(f"{path}:{node.lineno}")
                case ast.Name(id="kind" | "kinds", ctx=ast.Store()):
                    if not _is_declared(tree, node):
                        found.append(f"{path}:{node.lineno}")
                case ast.Call(func=ast.Attribute(attr="debug" | "info" | "warning" | "error"), keywords=keywords):
                    found += [f"{path}:{node.lineno}" for each in keywords if each.arg == "kind"]
    assert found == []


def _is_declared(tree: ast.Module, name: ast.Name) -> bool:
    """Whether the name is the target of an annotated assignment, such as a field."""
    return any(isinstance(node, ast.AnnAssign) and node.target is name for node in ast.walk(tree))
