"""The loader refuses every mistake in a report folder and names the line and the remedy."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from unittest.mock import Mock

import duckdb
import pytest

from offtake.catalogue.load import Catalogue, load_catalogue
from offtake.catalogue.macros import parse_table_macros
from offtake.catalogue.permitted_sql import refusals
from offtake.errors import CatalogueError
from offtake.model.column_type import ColumnType
from offtake.model.rendering import Rendering
from offtake.model.report import Mark, Prune

PERMITTED_FUNCTIONS = Path(__file__).with_name("permitted_functions.txt")
TABLES = {
    "call": {"call_id": "VARCHAR", "ended_at": "TIMESTAMP WITH TIME ZONE", "wait": "BIGINT", "tenant": "VARCHAR"},
    "agent": {"agent_id": "VARCHAR", "tenant": "VARCHAR"},
}
REPORT = """\
title = "Rings"
grain = "One row per ring."
window = "ended_at"
key = ["ring_id"]
tables = [
    { table = "call", prune = "window" },
]
columns = [
    { name = "ring_id", type = "id", mark = "documented", nullable = false, meaning = "The ring." },
    { name = "ended_at", type = "instant", mark = "seen", nullable = false, meaning = "Its end." },
    { name = "wait_seconds", type = "seconds", mark = "proposed", personal = true, meaning = "Waiting." },
]
"""
QUERY = """\
-- rings
SELECT call_id AS ring_id, ended_at, wait AS wait_seconds
FROM call
WHERE ended_at >= $start AND ended_at < $end
"""
WIRE = """\
slug = "rings"
aliases = ["ring", "ringing"]
title = "Rings"
columns = [
    { name = "ring.id", from = "ring_id", as = "text", mark = "documented" },
    { name = "ended?", from = "ended_at", as = "instant_z", mark = "seen", label = "Ended (Z)" },
    { name = "wait", from = "wait_seconds", as = "integer", mark = "proposed", legacy = true },
]
"""
FILES = {"report.toml": REPORT, "query.sql": QUERY, "wire.talkdesk.toml": WIRE}

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a report folder in which ``now`` replaces ``was`` in ``file``."""

    def written(name: str = "rings", *, file: str = "report.toml", was: str = "", now: str = "") -> Path:
        folder = tmp_path / "reports" / name
        folder.mkdir(parents=True)
        assert was in FILES[file]
        for each, text in FILES.items():
            changed = text.replace(was, now, 1) if each == file else text
            (folder / each).write_text(changed, encoding="utf-8")
        return folder

    return written


NAMES = ("khoros", "loop", "talkdesk")


def load(folder: Path) -> Catalogue:
    return load_catalogue(folder.parent, tables=TABLES, dialects=NAMES)


def refusal(folder: Path) -> str:
    with pytest.raises(CatalogueError) as caught:
        load(folder)
    return caught.value.message


def test_a_valid_folder_is_loaded(write: Write) -> None:
    catalogue = load(write())
    report = catalogue.reports["rings"]
    assert (report.name, report.title, report.window, report.key) == ("rings", "Rings", "ended_at", ("ring_id",))
    assert [(use.table, use.prune) for use in report.tables] == [("call", Prune.WINDOW)]
    waiting = report.columns[2]
    assert (waiting.type, waiting.mark, waiting.nullable, waiting.personal) == (
        ColumnType.SECONDS,
        Mark.PROPOSED,
        True,
        True,
    )
    publication = catalogue.publication("talkdesk", "rings")
    assert publication is not None
    ended = publication.columns[1]
    assert (ended.name, ended.source, ended.rendering, ended.label, ended.legacy) == (
        "ended?",
        "ended_at",
        Rendering.INSTANT_Z,
        "Ended (Z)",
        False,
    )
    assert publication.columns[2].legacy


def test_slug_and_aliases_lead_to_the_publication_of_their_dialect(write: Write) -> None:
    catalogue = load(write())
    found = {catalogue.by_slug("talkdesk", slug) for slug in ("rings", "ring", "ringing")}
    assert found == {catalogue.publication("talkdesk", "rings")}
    assert catalogue.by_slug("talkdesk", "Rings") is None
    assert catalogue.by_slug("khoros", "rings") is None
    assert catalogue.publication("khoros", "rings") is None


def test_a_catalogue_cannot_be_changed(write: Write) -> None:
    catalogue = load(write())
    with pytest.raises(TypeError):
        catalogue.reports["more"] = catalogue.reports["rings"]  # type: ignore[index]


def test_files_that_are_not_reports_are_ignored(write: Write) -> None:
    folder = write()
    for name in (".git", "__pycache__"):
        (folder.parent / name).mkdir()
    (folder / "README.md").write_text("about", encoding="utf-8")
    (folder / "cases" / "ordinary").mkdir(parents=True)
    assert set(load(folder).reports) == {"rings"}


REPORT_FAULTS = [
    pytest.param(
        'title = "Rings"', 'titel = "Rings"', 1, "unknown key 'titel'; did you mean 'title'?", id="unknown-key"
    ),
    pytest.param('title = "Rings"\n', "", 1, "'title' must be a text", id="missing-key"),
    pytest.param('"One row per ring."', '" "', 2, "'grain' must be a text that is not empty", id="empty-text"),
    pytest.param('"window" }', '"windows" }', 6, "did you mean 'window'?", id="unknown-prune"),
    pytest.param('"window" }', '"never" }', 6, "allowed are: window, until, all", id="prune-words"),
    pytest.param('table = "call"', 'table = "calls"', 6, "no table 'calls'; did you mean 'call'?", id="unknown-table"),
    pytest.param(
        '"window" },',
        '"all" },\n{ table = "call", prune = "all" },',
        7,
        "table 'call' is listed twice",
        id="table-twice",
    ),
    pytest.param('type = "id"', 'type = "ids"', 9, "did you mean 'id'?", id="unknown-type"),
    pytest.param('type = "id"', 'type = "xyz"', 9, "allowed are: text, id, integer", id="type-words"),
    pytest.param(
        'mark = "seen"', 'mark = "guessed"', 10, "allowed are: documented, seen, inferred, proposed", id="mark"
    ),
    pytest.param(
        'meaning = "Its end."', 'meaning = ""', 10, "'meaning' must be a text that is not empty", id="meaning"
    ),
    pytest.param("personal = true", 'personal = "yes"', 11, "'personal' must be true or false", id="flag"),
    pytest.param("personal = true", "personnal = true", 11, "did you mean 'personal'?", id="unknown-column-key"),
    pytest.param('"wait_seconds"', '"ended_at"', 11, "column 'ended_at' is declared twice", id="column-twice"),
    pytest.param('"wait_seconds"', '"waitSeconds"', 11, "must be snake_case", id="column-name"),
    pytest.param('key = ["ring_id"]', 'key = ["ringid"]', 4, "did you mean 'ring_id'?", id="key-unknown"),
    pytest.param('key = ["ring_id"]', "key = []", 4, "'key' must have at least one entry", id="key-empty"),
    pytest.param('key = ["ring_id"]', 'key = "ring_id"', 4, "'key' must be a list of texts", id="key-no-list"),
    pytest.param('window = "ended_at"', 'window = "begun_at"', 3, "window names 'begun_at'", id="window-unknown"),
    pytest.param('window = "ended_at"', 'window = "ring_id"', 3, "must be an instant", id="window-no-instant"),
    pytest.param('{ table = "call", prune = "window" },', "", 5, "'tables' must be a list of rows", id="no-tables"),
    pytest.param("columns = [", 'columns = [\n"ring_id",', 9, "'columns' must hold rows", id="column-no-row"),
    pytest.param('window = "ended_at"', "window = ended_at", 3, "not valid TOML", id="no-toml"),
]
WIRE_FAULTS = [
    pytest.param('slug = "rings"', 'slugg = "rings"', 1, "did you mean 'slug'?", id="unknown-key"),
    pytest.param('from = "ring_id"', 'from = "ringid"', 5, "did you mean 'ring_id'?", id="unknown-column"),
    pytest.param('as = "text"', 'as = "txt"', 5, "did you mean 'text'?", id="unknown-rendering"),
    pytest.param(
        'as = "integer"', 'as = "yes_no"', 7, "cannot be rendered as 'yes_no'; allowed are: day_f", id="unfit"
    ),
    pytest.param('name = "wait"', 'name = "ended?"', 7, "two columns are published as 'ended?'", id="name-twice"),
    pytest.param('mark = "seen"', 'mark = "sene"', 6, "did you mean 'seen'?", id="unknown-mark"),
    pytest.param('label = "Ended (Z)"', 'label = ""', 6, "'label' must be a text that is not empty", id="empty-label"),
    pytest.param(
        'aliases = ["ring"', 'aliases = ["rings"', 2, "report 'rings' already uses the slug 'rings'", id="own-alias"
    ),
    pytest.param(
        'title = "Rings"', 'title = "Rings"\norder = ["wait_second"]', 4, "did you mean 'wait_seconds'?", id="order"
    ),
    pytest.param('title = "Rings"', 'title = "Rings"\norder = ["ended_at"]', 4, "add ring_id", id="order-with-ties"),
]
QUERY_FAULTS = [
    pytest.param("SELECT call_id", "SELEKT call_id", 2, "not valid SQL", id="no-sql"),
    pytest.param(QUERY, "", 1, "must be exactly one SELECT", id="nothing"),
    pytest.param(QUERY, QUERY + ";\nSELECT 1", 1, "exactly one SELECT", id="two"),
    pytest.param("< $end", "< $end;", 4, "does not run", id="semicolon"),
    pytest.param(QUERY, "DELETE FROM call", 1, "exactly one SELECT", id="no-select"),
    pytest.param("< $end", "< $end AND tenant = $tenant", 4, "show only the rows of the request's tenant", id="tenant"),
    pytest.param(" AND ended_at < $end", "", 1, "does not use $end", id="no-end"),
    pytest.param("< $end", "< $end AND call_id <> $zon", 4, "$zon; did you mean 'zone'?", id="unknown-value"),
    pytest.param(
        QUERY, QUERY.split("ended_at >=")[0] + "ended_at >= ?", 1, "unknown bound value $1", id="unnamed-value"
    ),
    pytest.param("-- rings", "-- rings in\n-- $zone", 2, "$zone occurs only in a comment", id="value-in-comment"),
    pytest.param("call_id AS", "call_idd AS", 2, 'column "call_idd" not found', id="unknown-lake-column"),
    pytest.param("FROM call", "FROM agent", 3, "agent does not exist", id="undeclared-table"),
    pytest.param("FROM call", "FROM '/etc/hosts.csv'", 1, "disabled by configuration", id="a-file"),
    pytest.param("FROM call", "FROM read_csv('/etc/hosts')", 3, "calls the table function read_csv", id="read-file"),
    pytest.param("FROM call", "FROM main.call", 3, "names call with its schema", id="schema"),
    pytest.param("AS ring_id", "AS ringid", 1, "'ringid' is not declared; 'ring_id' is not returned", id="other-name"),
    pytest.param("wait AS wait_seconds", "1 AS wait_seconds, 2 AS b", 1, "'b' is not declared", id="one-more"),
    pytest.param("call_id AS ring_id, ended_at", "ended_at, call_id AS ring_id", 1, "order differs", id="other-order"),
    pytest.param(
        "wait AS", "wait / 1000 AS", 1, "'wait_seconds' as DOUBLE, report.toml declares seconds", id="other-type"
    ),
]
# A faulty report may have several errors; in these files one error is reported first.
FIRST_FAULTS = [
    pytest.param(file, *fault.values, id=f"{file}-{fault.id}")
    for file, faults in (("wire.talkdesk.toml", WIRE_FAULTS), ("query.sql", QUERY_FAULTS))
    for fault in faults
]


# Expressions and relations that reach more than the declared tables, in a query that is otherwise right.
FORBIDDEN = [
    pytest.param("getvariable('files of call')", "calls getvariable, which", id="variable"),
    pytest.param("\"GetVariable\"('files of call')", "calls getvariable, which", id="quoted"),
    pytest.param("system.main.getvariable('files of call')", "calls getvariable, which", id="qualified"),
    pytest.param("'files of call'.getvariable()", "calls getvariable, which", id="chained"),
    pytest.param("list_transform([1], lambda x: getvariable('a'))", "calls getvariable, which", id="lambda"),
    pytest.param("max(1) OVER (PARTITION BY getvariable('a'))", "calls getvariable, which", id="window"),
    pytest.param("getenv('HOME')", "calls getenv, which", id="environment"),
    pytest.param("current_setting('allowed_paths')", "calls current_setting, which", id="setting"),
    pytest.param("current_query()", "calls current_query, which", id="own-text"),
    pytest.param("stats(call_id)", "calls stats, which", id="statistics"),
    pytest.param("json_serialize_plan('SELECT 1')", "calls json_serialize_plan, which", id="plan"),
    pytest.param("pg_get_viewdef(1)", "calls pg_get_viewdef, which", id="view"),
    pytest.param("(FROM query('SELECT 1'))", "calls the table function query, which", id="query"),
    pytest.param("(FROM query_table('call'))", "calls the table function query_table, which", id="query-table"),
    pytest.param("(FROM json_execute_serialized_sql('{}'))", "table function json_execute_serialized_sql", id="tree"),
    pytest.param("(SELECT content FROM read_text('a'))", "calls the table function read_text, which", id="text"),
    pytest.param("(FROM glob('*'))", "calls the table function glob, which", id="glob"),
    pytest.param("(SELECT value FROM duckdb_variables())", "table function duckdb_variables, which", id="variables"),
    pytest.param("(SELECT sql FROM duckdb_views LIMIT 1)", "reads duckdb_views, a name", id="view-of-views"),
    pytest.param("(SELECT sql FROM sqlite_master LIMIT 1)", "reads sqlite_master, a name", id="view-of-tables"),
    pytest.param(
        "(SELECT view_name FROM information_schema.views)", "names views with its schema", id="information-schema"
    ),
    pytest.param("(SELECT name FROM (SHOW TABLES))", "contains SHOW, DESCRIBE or SUMMARIZE", id="show"),
    pytest.param(
        "(WITH x AS (COPY call TO 'a.csv') SELECT 1 FROM x)", "COPY; a query must not change tables", id="copy"
    ),
    pytest.param(
        "(WITH x AS (DELETE FROM call RETURNING 1) SELECT 1 FROM x)", "DELETE; a query must not change", id="delete"
    ),
    pytest.param(
        "(SELECT count(*) FROM named_lists(CASE $zone WHEN 'UTC' THEN 'a' ELSE 'b.parquet' END, 'a'))",
        "argument 1 of named_lists is an expression; write the name",
        id="computed-name",
    ),
    pytest.param(
        "(SELECT count(*) FROM named_lists('a', named := $zone))", "argument 2 of named_lists is an", id="named-name"
    ),
    pytest.param(
        "(SELECT count(*) FROM named_lists('a', 'memory.main.b'))",
        "argument 2 of named_lists is 'memory.main.b', not a plain name; write the name of a common table expression "
        "in quotes, such as 'lists'",
        id="name-with-schema",
    ),
    pytest.param(
        "(SELECT count(*) FROM named_lists('a', named := 'b.parquet'))",
        "argument 2 of named_lists is 'b.parquet', not a plain name",
        id="name-of-a-file",
    ),
    pytest.param(
        "(SELECT count(*) FROM named_lists('Duckdb_Views', 'a'))",
        "argument 1 of named_lists is Duckdb_Views, a name of DuckDB's own views",
        id="name-of-a-system-view",
    ),
    pytest.param("(SELECT count(*) FROM named_lists('', 'a'))", "argument 1 of named_lists is not", id="empty-name"),
    pytest.param("(SELECT count(*) FROM named_lists(NULL, 'a'))", "argument 1 of named_lists is not", id="null-name"),
    pytest.param("(SELECT count(*) FROM named_lists(1, 'a'))", "argument 1 of named_lists is not", id="number-as-name"),
    pytest.param("version()", "calls version, which reads", id="version"),
    pytest.param("get_block_size('memory')", "calls get_block_size, which reads", id="block-size"),
    pytest.param("has_table_privilege('call', 'SELECT')", "calls has_table_privilege, which", id="privilege"),
    pytest.param("format_type(10, 0)", "calls format_type, which reads", id="type-of-catalog"),
    pytest.param("current_schema", "names current_schema without a table, which DuckDB reads as", id="schema-by-name"),
    pytest.param('"Current_User"', "names current_user without a table, which", id="user-by-name"),
    pytest.param("now()", "calls now, which depends on the current time; use $as_of", id="now"),
    pytest.param("age(ended_at)", "calls age, which counts from the current date", id="age-of-one-instant"),
    pytest.param("ago(INTERVAL 1 DAY)", "calls ago, which depends on the current time", id="ago"),
    pytest.param(
        "EXTRACT(year FROM CURRENT_DATE)",
        "names current_date without a table, which DuckDB reads as",
        id="date-by-name",
    ),
    pytest.param("random()", "calls random, which depends on random numbers; use a value of the lake", id="random"),
    pytest.param("reservoir_quantile(wait, 0.5)", "calls reservoir_quantile, which depends on random", id="quantile"),
    pytest.param(
        "(SELECT max(x.wait) FROM call AS x TABLESAMPLE 10%)", "contains TABLESAMPLE or", id="sample-of-table"
    ),
    pytest.param("(SELECT x.wait FROM call AS x USING SAMPLE 1)", "contains TABLESAMPLE or USING", id="sample"),
]


@pytest.mark.parametrize(("expression", "said"), FORBIDDEN)
def test_a_query_that_could_reach_more_than_its_tables_is_refused(write: Write, expression: str, said: str) -> None:
    """Also where the check over empty tables does not evaluate it. The text before it has a letter of two bytes."""
    text = f"/* Größe */\nCASE WHEN false THEN CAST({expression} AS VARCHAR) ELSE call_id END AS ring_id"
    message = refusal(write(file="query.sql", was="call_id AS ring_id", now=text))
    assert said in message
    assert "query.sql:3: " in message or said.startswith(("contains", "COPY", "DELETE"))


def test_a_query_may_use_the_macros_and_functions_without_data(write: Write) -> None:
    lists = "WITH lists AS (SELECT ['a'] AS ids), known AS (SELECT 'a' AS id, 'A' AS name)\nSELECT"
    now = f"{lists} (SELECT names[1] FROM named_lists('lists', named := 'known')) || call_id AS ring_id"
    folder = write(file="query.sql", was="SELECT call_id AS ring_id", now=now)
    sql = (folder / "query.sql").read_text(encoding="utf-8")
    joined = "FROM call, range(1), generate_series(1, 1), unnest([1])"
    (folder / "query.sql").write_text(sql.replace("FROM call", joined), encoding="utf-8")
    assert set(load(folder).reports) == {"rings"}


@pytest.mark.parametrize("expression", ["x.user", "pg_typeof(wait)", "pg_size_pretty(wait)", "age(ended_at, $as_of)"])
def test_a_query_may_use_expressions_that_resemble_refused_ones(write: Write, expression: str) -> None:
    now = f"(SELECT CAST({expression} AS VARCHAR) FROM (SELECT 1 AS user) AS x) || call_id AS ring_id"
    assert set(load(write(file="query.sql", was="call_id AS ring_id", now=now)).reports) == {"rings"}


def test_a_query_whose_functions_cannot_be_listed_is_refused() -> None:
    with duckdb.connect() as connection:
        [(line, fault)] = refusals(connection, "EXECUTE prepared")
        assert (line, "cannot list the functions" in fault) == (1, True)


def test_a_chain_of_operators_is_checked_to_its_innermost_operand() -> None:
    operands = ["call_id"] * 200
    with duckdb.connect() as connection:
        assert refusals(connection, f"SELECT {' || '.join(operands)}") == []
        operands[0] = "getenv('a')"
        [(line, fault)] = refusals(connection, f"SELECT\n{' || '.join(operands)}")
        assert (line, "the query calls getenv, which" in fault) == (2, True)


def test_a_query_that_is_nested_too_deeply_for_the_check_is_refused_with_the_remedy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """How deep Python's parser of JSON can go depends on its version."""
    monkeypatch.setattr(json, "loads", Mock(side_effect=RecursionError))
    with duckdb.connect() as connection:
        [(line, fault)] = refusals(connection, "SELECT 1")
    assert (line, "write concat(…) instead of ||" in fault) == (1, True)


def test_a_chain_that_is_too_long_for_duckdb_is_refused_with_the_remedy(write: Write) -> None:
    folder = write(file="query.sql", was="call_id AS", now=f"{' || '.join(['call_id'] * 1100)} AS")
    assert "more than 1000 expressions are nested" in refusal(folder)
    assert "write concat(…) instead of ||" in refusal(folder)


def test_every_function_of_duckdb_with_side_effects_is_refused() -> None:
    """A new release of DuckDB may add one. ``error`` neither reads nor changes a state."""
    with duckdb.connect() as connection:
        found = connection.execute("SELECT DISTINCT function_name FROM duckdb_functions() WHERE stability = 'VOLATILE'")
        names = {name for (name,) in found.fetchall()}
        assert "stats" in names
        assert {name for name in names if not refusals(connection, f"SELECT {name}()")} == {"error"}


def test_every_permitted_function_of_duckdb_is_recorded() -> None:
    """Operators and collations are not recorded."""
    recorded = set(PERMITTED_FUNCTIONS.read_text(encoding="utf-8").split())
    with duckdb.connect() as connection:
        found = connection.execute(
            "SELECT DISTINCT function_name FROM duckdb_functions() "
            "WHERE function_type IN ('scalar', 'aggregate', 'macro', 'window') "
            r"AND regexp_full_match(function_name, '\w+') AND NOT regexp_matches(function_name, '^(icu_)?collate_')"
        )
        names = {name for (name,) in found.fetchall()}
        permitted = {name for name in names if not refusals(connection, f'SELECT "{name}"()')}
    assert sorted(permitted - recorded) == [], (
        f"decide: if the result depends on the arguments only, add the name to {PERMITTED_FUNCTIONS.name}; "
        "otherwise refuse it in permitted_sql.py"
    )
    assert sorted(recorded - permitted) == [], f"refused, or not in DuckDB: remove from {PERMITTED_FUNCTIONS.name}"


def test_every_function_that_duckdb_calls_without_parentheses_is_refused() -> None:
    with duckdb.connect() as connection:
        found = connection.execute(
            "SELECT function_name FROM duckdb_functions() UNION SELECT keyword_name FROM duckdb_keywords() "
            "UNION SELECT unnest(['current_time', 'current_timestamp', 'localtime', 'localtimestamp', 'system_user'])"
        )
        called = {name for (name,) in found.fetchall() if _runs(connection, f'SELECT "{name}"')}
        assert {"current_date", "localtime", "user"} <= called
        assert {name for name in called if not refusals(connection, f'SELECT "{name}"')} == set()


def _runs(connection: duckdb.DuckDBPyConnection, sql: str) -> bool:
    try:
        connection.execute(sql)
    except duckdb.Error:
        return False
    return True


TABLE_MACRO = """\
CREATE TEMP MACRO shown(rows, wanted) AS TABLE
    SELECT * FROM query_table(rows) WHERE wanted; -- not query_table(wanted)
"""


def test_the_relations_of_a_table_macro_are_its_parameters_in_query_table() -> None:
    assert parse_table_macros(TABLE_MACRO) == {"shown": ("rows",)}


@pytest.mark.parametrize(
    ("was", "now", "said"),
    [
        ("rows) WHERE", "lower(rows)) WHERE", "shown must name its relations as query_table(parameter)"),
        ("rows) WHERE", "'call') WHERE", "shown must name its relations as query_table(parameter)"),
        ("rows) WHERE", "rows), Query_Table (wanted) WHERE", "shown must name its relations as query_table(parameter)"),
        ("query_table(rows) WHERE", "query(rows) WHERE", "shown must name its relations as query_table(parameter)"),
        ("rows) WHERE", "wanted) WHERE", "shown must take the names of its relations first"),
        ("AS TABLE\n", "AS TABLE ", "query_table outside a table macro"),
        (
            TABLE_MACRO,
            f"{TABLE_MACRO}CREATE TEMP MACRO all_shown(name) AS TABLE\n    FROM shown(name, true);\n",
            "a macro calls shown",
        ),
        (
            TABLE_MACRO,
            f"{TABLE_MACRO}CREATE TEMP MACRO first_shown(name) AS (FROM shown(name, true) LIMIT 1);\n",
            "a macro calls shown",
        ),
    ],
    ids=["expression", "constant", "spelling", "query", "order", "other form", "table macro", "scalar macro"],
)
def test_a_macro_whose_relations_cannot_be_recognised_is_refused(was: str, now: str, said: str) -> None:
    assert was in TABLE_MACRO
    with pytest.raises(ValueError, match=re.escape(said)):
        parse_table_macros(TABLE_MACRO.replace(was, now, 1))


@pytest.mark.parametrize(("was", "now", "line", "said"), REPORT_FAULTS)
def test_a_faulty_report_is_refused(write: Write, was: str, now: str, line: int, said: str) -> None:
    folder = write(file="report.toml", was=was, now=now)
    message = refusal(folder)
    assert any(each.startswith(f"{folder / 'report.toml'}:{line}: ") and said in each for each in message.split("\n"))


@pytest.mark.parametrize(("file", "was", "now", "line", "said"), FIRST_FAULTS)
def test_a_faulty_publication_or_query_is_refused(
    write: Write, file: str, was: str, now: str, line: int, said: str
) -> None:
    folder = write(file=file, was=was, now=now)
    message = refusal(folder)
    assert message.startswith(f"{folder / file}:{line}: ")
    assert said in message


def test_all_errors_are_reported_at_once(write: Write) -> None:
    folder = write(file="report.toml", was='type = "id", mark = "documented"', now='type = "a", mark = "b"')
    write("other", file="query.sql", was="$end", now="$ende")
    message = refusal(folder)
    assert [line.split(": ")[0].rpartition("/")[2] for line in message.split("\n")] == [
        "query.sql:1",
        "query.sql:4",
        "report.toml:9",
        "report.toml:9",
    ]


def test_two_reports_cannot_claim_one_slug(write: Write) -> None:
    folder = write()
    second = write(
        "second", file="wire.talkdesk.toml", was='slug = "rings"\naliases = ["ring", ', now='slug = "s"\naliases = ['
    )
    message = refusal(folder)
    assert (
        message == f"{second / 'wire.talkdesk.toml'}:2: report 'rings' already uses the slug 'ringing'; choose another"
    )


def test_two_dialects_may_use_one_slug(write: Write) -> None:
    folder = write()
    (folder / "wire.loop.toml").write_text(WIRE, encoding="utf-8")
    catalogue = load(folder)
    assert catalogue.by_slug("loop", "ring") is catalogue.publication("loop", "rings")
    assert catalogue.by_slug("loop", "ring") is not catalogue.by_slug("talkdesk", "ring")


def test_a_name_is_unique_over_all_folders(write: Write, tmp_path: Path) -> None:
    folder = write()
    own = tmp_path / "own" / "rings"
    own.mkdir(parents=True)
    for name in ("report.toml", "query.sql"):
        (own / name).write_text(FILES[name], encoding="utf-8")
    with pytest.raises(CatalogueError) as caught:
        load_catalogue(folder.parent, own.parent, tables=TABLES, dialects=NAMES)
    assert caught.value.message.startswith(f"{own / 'report.toml'}:1: the report {folder} has the same name")


@pytest.mark.parametrize("name", ["Rings", "ring-attempts", "1st", "ring__s"])
def test_a_folder_is_named_in_snake_case(write: Write, name: str) -> None:
    folder = write(name)
    assert refusal(folder).startswith(f"{folder}:1: the folder of a report must be named in snake_case")


@pytest.mark.parametrize("name", ["report.toml", "query.sql"])
def test_a_missing_or_binary_file_is_refused(write: Write, name: str) -> None:
    folder = write()
    (folder / name).write_bytes(b"\xff\xfe\xfa")
    assert refusal(folder) == f"{folder / name}:1: not UTF-8 text; save it as UTF-8"
    (folder / name).unlink()
    assert refusal(folder).startswith(f"{folder / name}:1: cannot be read: No such file")


@pytest.mark.parametrize("name", ["wire_talkdesk.toml", "wire.Talk Desk.toml", "wire.toml", "query.postgres.sql"])
def test_an_unknown_file_is_refused(write: Write, name: str) -> None:
    folder = write()
    (folder / name).write_text("", encoding="utf-8")
    assert refusal(folder).startswith(f"{folder / name}:1: not a file of a report")


def test_a_column_without_a_mark_is_a_proposal(write: Write) -> None:
    """A mark is the evidence for a vendor's column; a report of one's own has no vendor."""
    folder = write()
    for name in ("report.toml", "wire.talkdesk.toml"):
        path = folder / name
        path.write_text(re.sub(r' mark = "\w+",?', "", path.read_text("utf-8")).replace(", }", " }"), encoding="utf-8")
    catalogue = load(folder)
    assert {column.mark for column in catalogue.reports["rings"].columns} == {Mark.PROPOSED}
    assert {column.mark for column in catalogue.publications["talkdesk", "rings"].columns} == {Mark.PROPOSED}


def test_a_file_of_an_unknown_dialect_is_refused_with_the_names_that_exist(write: Write) -> None:
    folder = write()
    (folder / "wire.talkdesk.toml").rename(folder / "wire.takdesk.toml")
    assert refusal(folder) == (
        f"{folder / 'wire.takdesk.toml'}:1: there is no dialect 'takdesk'; rename the file to one of "
        "wire.khoros.toml, wire.loop.toml, wire.talkdesk.toml, or remove it"
    )


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match="no such folder"):
        load_catalogue(tmp_path / "absent", tables=TABLES, dialects=NAMES)


def test_an_empty_folder_is_an_empty_catalogue(tmp_path: Path) -> None:
    assert not load_catalogue(tmp_path, tables=TABLES, dialects=NAMES).reports


DECLARED = 'key = ["ring_id"]\npartition_by = "call_id"'
DIVIDED = QUERY.replace("WHERE ", "WHERE in_partition(call.call_id) AND ")


def divided(write: Write, query: str, *, declared: str = DECLARED) -> Path:
    folder = write(was='key = ["ring_id"]', now=declared)
    (folder / "query.sql").write_text(query, encoding="utf-8")
    return folder


def test_a_report_may_be_partitioned_by_a_column_of_its_tables(write: Write) -> None:
    report = load(divided(write, DIVIDED)).reports["rings"]
    assert report.partition_by == "call_id"


def test_a_partition_column_that_no_table_has_is_refused(write: Write) -> None:
    declared = DECLARED.replace("call_id", "cal_id")
    message = refusal(divided(write, DIVIDED, declared=declared))
    assert (
        "report.toml:5: partition_by names 'cal_id', which no table of the report has; did you mean 'call_id'?"
        in message
    )


@pytest.mark.parametrize(
    ("query", "said"),
    [
        (QUERY, "query.sql:1: report.toml declares partition_by 'call_id', but no query calls in_partition(…)"),
        (
            f"-- in_partition(call_id)\n{QUERY}",
            "query.sql:1: report.toml declares partition_by 'call_id', but no query calls",
        ),
        (
            DIVIDED.replace("call.call_id)", "call.wait)"),
            "query.sql:4: in_partition(call.wait) partitions by another column than report.toml declares; "
            "partition by 'call_id'",
        ),
    ],
    ids=["nothing divided", "in a comment only", "by another column"],
)
def test_a_query_without_its_declared_partitions_is_refused(write: Write, query: str, said: str) -> None:
    assert said in refusal(divided(write, query))


def test_a_query_with_undeclared_partitions_is_refused(write: Write) -> None:
    message = refusal(divided(write, DIVIDED, declared='key = ["ring_id"]'))
    assert (
        "query.sql:4: in_partition(call.call_id) partitions by another column than report.toml declares; declare"
        in message
    )


KEPT = 'key = ["ring_id"]\npartition_by = "call_id"\nintermediate_tables = ["ended"]'
STEP = """\
-- rings that ended
SELECT call_id, ended_at, wait
FROM call
WHERE ended_at >= $start AND in_partition(call.call_id)
"""
OVER_STEP = """\
SELECT call_id AS ring_id, ended_at, wait AS wait_seconds
FROM ended
WHERE ended_at < $end
"""


def stepped(write: Write, step: str | None, *, query: str = OVER_STEP, declared: str = KEPT) -> Path:
    folder = divided(write, query, declared=declared)
    if step is not None:
        (folder / "intermediate.ended.sql").write_text(step, encoding="utf-8")
    return folder


def test_a_query_may_read_intermediate_tables(write: Write) -> None:
    report = load(stepped(write, STEP)).reports["rings"]
    assert [(step.name, step.sql) for step in report.intermediate_tables] == [("ended", STEP.strip())]


def test_an_intermediate_table_may_be_shared_by_several_reports(write: Write) -> None:
    folder = stepped(write, None)
    shared = folder.parent / "_intermediate"
    shared.mkdir()
    (shared / "ended.sql").write_text(STEP, encoding="utf-8")
    assert [step.sql for step in load(folder).reports["rings"].intermediate_tables] == [STEP.strip()]
    own = STEP.replace("rings", "own rings")
    (folder / "intermediate.ended.sql").write_text(own, encoding="utf-8")
    assert [step.sql for step in load(folder).reports["rings"].intermediate_tables] == [own.strip()]


@pytest.mark.parametrize(
    ("step", "declared", "said"),
    [
        (
            None,
            KEPT,
            "report.toml:6: intermediate.ended.sql is missing in this folder, and _intermediate/ended.sql",
        ),
        (
            STEP,
            KEPT.replace('["ended"]', '["ended", "ended"]'),
            "report.toml:6: intermediate table 'ended' must have a unique snake_case",
        ),
        (
            STEP,
            KEPT.replace('["ended"]', '["ended", "agent"]'),
            "report.toml:6: intermediate table 'agent' must have a unique snake_case",
        ),
        (
            STEP,
            KEPT.replace('["ended"]', '["ended", "../x"]'),
            "report.toml:6: intermediate table '../x' must have a unique snake_case",
        ),
        (STEP, DECLARED, "intermediate.ended.sql:1: not a file of a report"),
        (
            STEP.replace("wait\n", "weight\n"),
            KEPT,
            "intermediate.ended.sql:2: the intermediate table cannot be created from the declared tables",
        ),
        (STEP.replace("$start", "$begin"), KEPT, "intermediate.ended.sql:4: unknown bound value $begin"),
        (f"{STEP};\nSELECT 1", KEPT, "intermediate.ended.sql:1: a query must be exactly one SELECT"),
        (
            STEP.replace("call.call_id", "call.wait"),
            KEPT,
            "intermediate.ended.sql:4: in_partition(call.wait) partitions by another",
        ),
        (STEP.replace("ended_at >= $start AND ", ""), KEPT, "query.sql:1: the query does not use $start"),
    ],
    ids=[
        "absent",
        "twice",
        "name of a table",
        "name that is a path",
        "not declared",
        "unknown column",
        "unknown value",
        "two statements",
        "divided otherwise",
        "value bound nowhere",
    ],
)
def test_a_faulty_intermediate_table_is_refused(write: Write, step: str | None, declared: str, said: str) -> None:
    assert said in refusal(stepped(write, step, declared=declared))


COUNTED = 'key = ["ring_id"]\ncount = "rings that ended"'
COUNT = """\
-- rings
SELECT count(*)
FROM call
WHERE ended_at >= $start AND ended_at < $end
"""


def counted(write: Write, count: str | None, *, declared: str = COUNTED) -> Path:
    folder = write(was='key = ["ring_id"]', now=declared)
    if count is not None:
        (folder / "count.sql").write_text(count, encoding="utf-8")
    return folder


def test_a_report_may_have_a_count_of_its_rows_which_belongs_to_its_version(write: Write) -> None:
    folder = counted(write, COUNT)
    report = load(folder).reports["rings"]
    assert report.count is not None
    assert (report.count.what, report.count.sql) == ("rings that ended", COUNT.strip())
    (folder / "count.sql").write_text(COUNT.replace("$end", "$as_of"), encoding="utf-8")
    assert load(folder).reports["rings"].version != report.version


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (None, "report.toml:5: count.sql is missing in this folder; write it, or remove the key 'count'"),
        (COUNT.replace("call\n", "call, agent\n"), "count.sql:3: a count must not join"),
        (COUNT.replace("call\n", "call\nLEFT JOIN agent ON true\n"), "count.sql:4: a count must not join"),
        (COUNT.replace("count(*)", "call_id"), "count.sql:1: a count must yield one row with one whole number"),
        (COUNT.replace("count(*)", "wait"), "count.sql:1: a count must yield one row with one whole number"),
        (COUNT.replace("count(*)", "sum(wait)"), "count.sql:1: a count must yield one row with one whole number"),
        (COUNT.replace("count(*)", "1, 2"), "count.sql:1: a count must yield one row with one whole number"),
        (COUNT.replace("$start", "$begin"), "count.sql:4: unknown bound value $begin"),
        (COUNT.replace("$start", "$as_of").replace("rings", "$start"), "count.sql:1: $start occurs only in a comment"),
        (COUNT.replace("$end", "now()"), "count.sql:4: the query calls now"),
        (COUNT.replace("call\n", "read_text('a')\n"), "count.sql:3: the query calls the table function read_text"),
        (COUNT.replace("call\n", "agent\n"), "count.sql:3: the query does not run over the declared tables"),
        (f"{COUNT};\nSELECT 1", "count.sql:1: a query must be exactly one SELECT"),
        (f"{COUNT} AND in_partition(call_id)", "count.sql:5: in_partition(call_id) partitions by another column"),
    ],
)
def test_a_faulty_count_is_refused(write: Write, count: str | None, said: str) -> None:
    assert said in refusal(counted(write, count))


def test_a_count_that_report_toml_does_not_describe_is_refused(write: Write) -> None:
    message = refusal(counted(write, COUNT, declared='key = ["ring_id"]'))
    assert "count.sql:1: report.toml does not say which rows the query counts; add the key 'count' there" in message


def test_a_count_reads_no_intermediate_table(write: Write) -> None:
    folder = stepped(write, STEP, declared=f'{KEPT}\ncount = "rings"')
    (folder / "count.sql").write_text("SELECT count(*) FROM ended", encoding="utf-8")
    assert "count.sql:1: the query does not run over the declared tables" in refusal(folder)
