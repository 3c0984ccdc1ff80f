"""SQL is written only in the packages that own it (docs/explanation/architecture.md, "Where SQL is written")."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "offtake"
PACKAGES = frozenset({"store", "lake", "engine", "catalogue"})
EXCEPTIONS = frozenset({"sql_text", "sql_tree", "model/rendering", "formats/workbook/cells"})
# Upper case only, as all SQL here: messages and option names in lower case are no statements.
_SQL = re.compile(
    r"\b(?:SELECT|INSERT INTO|UPDATE\s.*\sSET|DELETE FROM|MERGE INTO|COPY|CASE\s.*\bWHEN|ORDER BY|GROUP BY"
    r"|(?:CREATE|DROP)(?: OR REPLACE)?(?: TEMP| TEMPORARY)? (?:TABLE|VIEW|MACRO|INDEX))\b",
    re.DOTALL,
)
# What a module outside ``store`` may import from SQLAlchemy: connections that it passes on, and errors.
_SQLALCHEMY = frozenset({"Connection", "SQLAlchemyError"})


def _sql(source: str) -> list[tuple[int, str]]:
    """Line and text of each string that contains SQL; docstrings and comments are no SQL."""
    tree = ast.parse(source)
    skipped = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    found = []
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.JoinedStr):
            skipped.update(id(value) for value in node.values)
            text = "".join(str(value.value) if isinstance(value, ast.Constant) else "{}" for value in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = node.value
        else:
            continue
        if _SQL.search(text):
            found.append((node.lineno, text))
    return found


def _statement_imports(source: str) -> list[str]:
    """Names that the module imports from SQLAlchemy to write statements."""
    imports = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Import | ast.ImportFrom)]
    return [
        alias.name
        for node in imports
        for alias in node.names
        if (node.module or "" if isinstance(node, ast.ImportFrom) else alias.name).split(".")[0] == "sqlalchemy"
        and not (isinstance(node, ast.ImportFrom) and alias.name in _SQLALCHEMY)
    ]


def _modules() -> Iterator[tuple[str, str]]:
    for path in sorted(SOURCE.rglob("*.py")):
        yield path.relative_to(SOURCE).with_suffix("").as_posix(), path.read_text("utf-8")


def test_sql_is_written_only_where_the_architecture_says() -> None:
    with_sql = {module for module, source in _modules() if _sql(source)}
    assert {module for module in with_sql if module.split("/")[0] not in PACKAGES} == EXCEPTIONS
    assert {module.split("/")[0] for module in with_sql} >= PACKAGES, "the test recognises SQL"


def test_sql_files_are_in_the_same_packages() -> None:
    assert {path.relative_to(SOURCE).parts[0] for path in SOURCE.rglob("*.sql")} <= PACKAGES


def test_only_the_store_writes_statements_with_sqlalchemy() -> None:
    found = {module: _statement_imports(source) for module, source in _modules() if module.split("/")[0] != "store"}
    assert {module: names for module, names in found.items() if names} == {}


def test_the_architecture_lists_every_exception() -> None:
    page = (ROOT / "docs" / "explanation" / "architecture.md").read_text("utf-8")
    _, _, after = page.partition("## Where SQL is written\n")
    section, _, _ = after.partition("\n## ")
    assert {row[1] for row in re.finditer(r"^\| `([\w/]+)` \|", section, re.MULTILINE)} == EXCEPTIONS
    assert all(f"`{package}`" in section for package in PACKAGES)


@pytest.mark.parametrize(
    "source",
    [
        'query = "SELECT 1"',
        'query = f"SELECT {columns} FROM {table}"',
        'run(f"UPDATE {table} SET a = 1")',
        'run("""\n    DELETE FROM job\n""")',
        'run("CREATE OR REPLACE TEMP VIEW v AS FROM t")',
        'shown = f"CASE {value} WHEN true THEN 1 END"',
        "def f(query='SELECT 1'): ...",
    ],
)
def test_sql_is_recognised(source: str) -> None:
    assert len(_sql(source)) == 1


@pytest.mark.parametrize(
    "source",
    [
        '"""Return a SELECT."""',
        'def f():\n    """One SELECT, written by COPY."""',
        "# SELECT 1",
        'help = "Select the reports to create, copy or delete from the list."',
    ],
)
def test_text_about_sql_is_not_sql(source: str) -> None:
    assert _sql(source) == []


@pytest.mark.parametrize("source", ["from sqlalchemy import Connection, select", "import sqlalchemy as sa"])
def test_statements_of_sqlalchemy_are_recognised(source: str) -> None:
    assert len(_statement_imports(source)) == 1
