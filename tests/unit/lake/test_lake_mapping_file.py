"""The file of a mapping: all faults at once, and expressions that reach nothing but their row."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import duckdb
import pytest

from offtake.errors import LakeError
from offtake.lake.delta import Lake
from offtake.lake.ingest.check import check
from offtake.lake.ingest.load import load
from offtake.lake.ingest.mapping.expression import FUNCTIONS, Expression, read_expression
from offtake.lake.ingest.mapping.toml_mapping import read_mapping
from offtake.lake.ingest.options import LoadOptions
from offtake.lake.storage import FolderTableStorage
from tests.unit.lake.stored import AGENT, STATE, stored, written

FAULTY = """\
table = "conversation"
[source]
delimitr = ";"
quote = "ab"
encoding = "utf-99"
[values]
zone = "Europe/Prag"
thousands = "."
[rows]
filter = "Typ in (select 1)"
keep = "frist"
[columns]
conversation_idd = "ID"
created_at = { from = "Start", time = "%d.%m. %H", phone = "CZ" }
status = { from = "State", lookup = { O = "opn" }, lookup_file = "codes.csv" }
direction = { constant = "inbond" }
subject = { expression = "read_text('x')" }
priority = { expression = "1; select 2" }
is_private = { from = "P", true = ["yes"] }
needs_attention = { default = false }
handle_milliseconds = { from = "T", duration = "hhmmss", default = "x" }
number = 5
"""
FAULTS = """\
3: unknown key 'delimitr'; did you mean 'delimiter'?
4: 'quote' must be one ASCII character
5: 'encoding' is 'utf-99'; did you mean
7: 'zone' is 'Europe/Prag', which is no IANA time zone; did you mean 'Europe/Prague'?
8: 'thousands' and 'decimal' must differ
10: 'filter': it contains a subquery
11: 'keep' is 'frist'; did you mean 'first'?
13: table conversation has no column 'conversation_idd'; did you mean 'conversation_id'?
14: 'phone' is not a key of a column of type instant
14: 'time' is '%d.%m. %H': it must have a year
14: 'time' is '%d.%m. %H', a local time; add its zone
15: write either lookup or lookup_file
15: codes.csv: the lookup cannot be read: No such file or directory
16: 'constant': 'inbond' is not a value of direction; did you mean 'inbound'?
17: 'expression': the function read_text is not accepted
18: 'expression': write one expression only
19: write both 'true' and 'false'
20: column needs_attention has no origin; write exactly one of from, expression, constant
21: 'duration' is 'hhmmss'; did you mean 'hh:mm:ss'?
21: 'default': 'x' is not a whole number
22: 'number' must be the name of a source column
"""
ROW = {"Id": 7, "Nom": "E", "email": "e", "is_active": 1, "one": 1, "two": 2}
HOSTILE = [
    "(SELECT 1)",
    "x FROM y",
    "1) FROM read_csv('/etc/passwd') --",
    "getvariable('x')",
    "lpad(x, 2000000000, 'y')",
    "rpad(x, length(x) * 1000, 'y')",
    "current_setting('home_directory')",
    "random()",
    "now()",
    "count(x)",
    "row_number() OVER ()",
    "list_transform(x, lambda y: getenv('HOME'))",
    "COLUMNS('a')",
    "*",
    "$tenant",
    "x AS y",
    "x ORDER BY 1",
    "x; DROP TABLE y",
    "main.lower(x)",
    "x COLLATE nocase",
    "",
]


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(FolderTableStorage(tmp_path / "lake"))


def test_all_faults_of_a_file_are_reported_with_their_lines(tmp_path: Path) -> None:
    path = written(tmp_path / "map.toml", FAULTY)
    with pytest.raises(LakeError) as caught:
        read_mapping(path)
    found = [line.removeprefix(f"{path}:").replace(f"{tmp_path}/", "") for line in caught.value.message.splitlines()]
    for expected in FAULTS.splitlines():
        assert any(line.startswith(expected) for line in found), (expected, found)
    assert len(found) == len(FAULTS.splitlines()), found


@pytest.mark.parametrize("text", HOSTILE)
def test_an_expression_has_values_of_its_row_only(text: str) -> None:
    with duckdb.connect() as connection:
        found = read_expression(connection, text)
    assert isinstance(found, list)
    assert found


def test_columns_of_an_expression_are_found_by_their_exact_names() -> None:
    with duckdb.connect() as connection:
        text = """coalesce("Start ""x\""", a.b.c) || CASE WHEN "A" = '"B"' THEN 'c' END"""
        found = read_expression(connection, text)
        assert isinstance(found, Expression)
        assert found.columns == ['Start "x"', "a.b.c", "A"]
        names = {name: f"c{number}" for number, name in enumerate(found.columns)}
        sql = found.sql(connection, names.__getitem__)
        row = connection.execute(f"SELECT {sql} FROM (VALUES (NULL, 'x', '\"B\"')) t(c0, c1, c2)").fetchone()
    assert row == ("xc",)


def test_the_manual_lists_the_functions_of_expressions() -> None:
    page = (Path(__file__).parents[3] / "docs/reference/mapping.md").read_text("utf-8")
    (listed,) = re.findall(r"^Functions: (.*)\.$", page, re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", listed)) == {name for name in FUNCTIONS if name[0].isalpha()}


def test_a_check_lists_all_faults_of_all_files_and_changes_nothing(lake: Lake, tmp_path: Path) -> None:
    text = 'table = "agent"\n[columns]\nagent_id = "Id"\nname = { from = "Nom", trim = true }\n'
    mapping = read_mapping(written(tmp_path / "map.toml", text))
    rows = "Id,Nom,email,is_active\na1, Ann ,a@example.com,true\na2,Bo,b@example.com,no\n"
    good = written(tmp_path / "good.csv", rows)
    files = [
        good,
        written(
            tmp_path / "bad.csv", 'Id,Name,email,is_active,extra\na3,Cy,c@example.com,no,\na5,E,e\na4,"D"x,d,true,1\n'
        ),
        written(tmp_path / "rows.ndjson", f"{json.dumps(ROW)}\n{{\n"),
        tmp_path / "away.csv",
    ]
    report = check(lake, AGENT, files, tenant="acme", options=LoadOptions(mapping=mapping))
    found = {(group.column, group.reason.split(";")[0]): group for group in report.groups.values()}
    missing = f"{tmp_path / 'map.toml'}:4: column 'Nom' is missing"
    assert set(found) == {
        ("is_active", "is not a boolean"),
        ("name", missing),
        ("Name", "unknown column"),
        ("extra", "unknown column"),
        ("one", "unknown column"),
        ("two", "unknown column"),
        ("extra", "the line has fewer fields than the header"),
        (None, "a quoted field is not closed, or text follows its closing quote"),
        (None, "the line is not JSON"),
        (None, f"{tmp_path / 'away.csv'}: file not found."),
    }
    group = found["is_active", "is not a boolean"]
    assert (group.count, group.examples) == (3, ["no", "1"])
    assert group.first == [f"{good}:3", f"{tmp_path / 'bad.csv'}:2", f"{tmp_path / 'rows.ndjson'}:1"]
    assert found["name", missing].first == [f"{tmp_path / 'bad.csv'}:1"]
    assert (report.read, report.good, report.rejected, report.file_faults) == (7, 1, 6, True)
    assert lake.open(AGENT) is None

    counts = load(lake, AGENT, [good], tenant="acme", mapping=mapping, reject_to=tmp_path / "rejected")
    assert (counts.inserted, counts.rejected) == (1, 1)
    assert stored(lake, AGENT)["a1",]["name"] == "Ann"
    with pytest.raises(LakeError) as caught:
        load(lake, AGENT, files[1:2], tenant="acme", mapping=mapping)
    lines = caught.value.message.splitlines()
    assert ["'Name'" in lines[0], "'extra'" in lines[1], len(lines)] == [True, True, 3]
    assert lines[2].endswith(
        f"map.toml:4: the mapping makes name from column 'Nom', which {files[1]}:1 does not have; "
        "it has Id, Name, email, is_active, extra"
    )


def test_an_expression_that_a_source_cannot_compute_is_named_with_its_line(lake: Lake, tmp_path: Path) -> None:
    text = (
        'table = "agent_state"\n[rows]\nfilter = "state"\nby = "length(5 + [1])"\n[values]\nzone = "UTC"\n[columns]\n'
        'agent_id = { expression = "lower(agnt)" }\nstarted_at = { expression = "von + 5" }\n'
        'ended_at = { expression = "length(von)" }\nis_mobile = { expression = "make_date(2026, 1, 1)" }\n'
    )
    mapping = read_mapping(written(tmp_path / "map.toml", text))
    path = written(tmp_path / "a.csv", "agent,von,state\na,b,c\n")
    where = f"{tmp_path / 'map.toml'}:"
    expected = [
        f"{path}:1: no column of agent_state is made from column 'agent'",
        f"{where}8: the mapping makes agent_id from column 'agnt', which {path}:1 does not have; did",
        f"{where}9: the expression von + 5 cannot be computed: + does not accept VARCHAR, INTEGER (von is VARCHAR;",
        f"{where}10: the expression length(von) gives BIGINT, which does not fit instant values; accepted",
        f"{where}11: the expression make_date(2026, 1, 1) gives DATE, which does not fit boolean values",
        f"{where}3: the filter state gives VARCHAR, not true or false",
        f"{where}4: the expression of by length(5 + [1]) cannot be computed: + does not accept INTEGER, INTEGER[].",
    ]
    with pytest.raises(LakeError) as caught:
        load(lake, STATE, [path], tenant="acme", mapping=mapping)
    for line, start in zip(caught.value.message.splitlines(), expected, strict=True):
        assert line.startswith(start), line
    wrong = written(tmp_path / "wrong.csv", "x;y\n1;2\n")
    report = check(lake, STATE, [wrong], tenant="acme")
    reasons = [group.reason.split(",")[0] for group in report.groups.values()]
    semicolons = "the fields are separated by semicolons; add --delimiter ';'"
    assert reasons == [semicolons, *["required column is missing"] * 3]


def test_a_lookup_file_has_an_end_and_a_size(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "long.csv").write_bytes(b"code,value\n" + b"x" * 17 * 1024**2)
    for name, said in (
        ("pipe", "it is no regular file"),
        ("/dev/zero", "no regular file"),
        ("long.csv", "at most 16 MiB"),
    ):
        text = f'table = "team"\n[columns]\nteam_id = "a"\nname = {{ from = "a", lookup_file = "{name}" }}\n'
        with pytest.raises(LakeError, match=said):
            read_mapping(written(tmp_path / "map.toml", text))
