"""``offtake report test``: the cases of an operator's own reports."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.fixtures.commands import Done, command

REPORT = """\
title = "Calls a day"
grain = "One row per day on which calls ended."
key = ["day"]
count = "days on which calls ended"
tables = [{ table = "call", prune = "window" }]
columns = [
    { name = "day", type = "date", nullable = false, meaning = "The day in the zone of the request." },
    { name = "calls", type = "integer", nullable = false, meaning = "Number of calls." },
]
"""
QUERY = """\
SELECT CAST(ended_at AT TIME ZONE $zone AS DATE) AS day, count(*) AS calls
FROM call
WHERE ended_at >= $start AND ended_at < $end
GROUP BY ALL
"""
COUNT = """\
SELECT count(*)
FROM (
    SELECT DISTINCT CAST(ended_at AT TIME ZONE $zone AS DATE)
    FROM call
    WHERE ended_at >= $start AND ended_at < $end
)
"""
WIRE = """\
slug = "calls_a_day"
title = "Calls a day"
columns = [{ name = "day", from = "day", as = "date" }, { name = "calls", from = "calls", as = "integer" }]
"""
REQUEST = """\
start = 2026-03-01T00:00:00Z
end = 2026-03-03T00:00:00Z
zone = "Europe/Prague"
account_zone = "UTC"

[defaults.call]
carrier_call_id = "CA1"
kind = "inbound"
company_number = "+15550100"
customer_number = "+15550199"
started_at = "2026-03-01T10:00:00Z"
total_seconds = 60
talk_seconds = 40
wait_seconds = 15
hold_seconds = 5
abandon_seconds = 0
ringing_seconds = 10
is_in_business_hours = true
is_transfer = false
is_external_transfer = false
is_no_answer_rule = false
is_forwarded = false
is_damaged = false
"""
CALLS = '{"call_id": "1", "ended_at": "2026-03-01T10:00:00Z"}\n{"call_id": "2", "ended_at": "2026-03-01T23:30:00Z"}\n'
EXPECTED = '{"day": "2026-03-01", "calls": 1}\n{"day": "2026-03-02", "calls": 1}\n'


@pytest.fixture
def report(tmp_path: Path) -> Path:
    """A home with one report of its own, which has one case."""
    home = tmp_path / "home"
    assert command("init", home=home).code == 0
    with (home / "offtake.toml").open("a") as settings:
        settings.write('[catalogue]\nfolders = ["reports"]\n')
    folder = home / "reports" / "calls_a_day"
    case = folder / "cases" / "ordinary"
    (case / "input").mkdir(parents=True)
    files = {folder / "report.toml": REPORT, folder / "query.sql": QUERY, folder / "wire.talkdesk.toml": WIRE}
    files |= {case / "request.toml": REQUEST, case / "input" / "call.jsonl": CALLS, case / "expected.jsonl": EXPECTED}
    files |= {case / "expected.talkdesk.jsonl": EXPECTED, folder / "count.sql": COUNT}
    for path, text in files.items():
        path.write_text(text)
    return folder


def run(report: Path, *arguments: str) -> Done:
    return command("report", "test", *arguments, home=report.parents[1])


def test_cases_of_own_reports_pass_or_say_what_differs(report: Path) -> None:
    done = run(report)
    line = '{ table = "call", prune = "window", if_empty = { rows = "none" } }'
    passed = "passed   calls_a_day/ordinary\n"
    assert (done.code, done.out) == (0, f"{passed}add to   calls_a_day/report.toml:\n    {line},\n"), done.err
    (report / "report.toml").write_text(REPORT.replace('{ table = "call", prune = "window" }', line))
    assert run(report).out == passed
    faulty = line.replace('"none"', '"same", null = ["calls"]')
    (report / "report.toml").write_text(REPORT.replace('{ table = "call", prune = "window" }', faulty))
    done = run(report)
    assert f"differs  calls_a_day/if_empty\n  report.toml:\n    the cases show: {line}\n" in done.out
    assert done.err == "offtake: 1 of 2 cases differ from what they expect.\n"
    (report / "report.toml").write_text(REPORT.replace('{ table = "call", prune = "window" }', line))
    case = report / "cases" / "ordinary"
    (case / "expected.jsonl").write_text(EXPECTED.replace('"calls": 1}\n{', '"calls": 3}\n{'))
    done = run(report, "calls_a_day")
    assert done.code == 5
    assert done.err == "offtake: 1 of 1 cases differ from what they expect.\n"
    assert "differs  calls_a_day/ordinary\n  rows:\n" in done.out
    assert "calls: found 1, expected 3" in done.out
    (report / "count.sql").write_text(COUNT.replace("count(*)", "1 + count(*)"))
    done = run(report, "--json")
    (record,) = json.loads(done.out)["cases"]
    assert (done.code, record["case"], record["passed"]) == (5, "calls_a_day/ordinary", False)
    assert record["differences"].keys() == {"rows", "count"}
    assert record["differences"]["count"] == ["3 rows counted, 2 rows expected"]
    assert not (report.parents[1] / "lake" / "call").exists()


@pytest.mark.parametrize(
    ("file", "was", "now", "said"),
    [
        ("request.toml", "2026-03-03T00:00:00Z", "2026-03-03", "request.toml:2: 'end' must be an instant"),
        ("request.toml", "account_zone", "acount_zone", "request.toml:4: unknown key 'acount_zone'; did you mean"),
        ("request.toml", "Europe/Prague", "Europe/Praha", "request.toml:3: "),
        ("input/call.jsonl", '"ended_at": "2026-03-01T1', '"ended_at": "', "call.jsonl: row 1: column ended_at"),
        ("input/call.jsonl", '{"call_id": "2"', '["call_id": "2"', "call.jsonl:2: not JSON"),
        ("expected.jsonl", '"day": "2026-03-01"', '"day": "1 March"', "expected.jsonl: row 1: day must have the form"),
        ("expected.jsonl", '"calls": 1', '"cals": 1', "expected.jsonl: row 1: the report has no column 'cals'; did"),
    ],
)
def test_a_faulty_case_is_refused_with_file_and_line(report: Path, file: str, was: str, now: str, said: str) -> None:
    path = report / "cases" / "ordinary" / file
    path.write_text(path.read_text().replace(was, now, 1))
    done = run(report)
    assert done.code == 5, done.err
    assert said in done.err
    assert "Traceback" not in done.err


def test_a_report_that_is_not_ones_own_is_unknown(report: Path) -> None:
    done = run(report, "calls")
    assert (done.code, done.out) == (6, "")
    assert "your reports are: calls_a_day" in done.err
