"""The bytes of the files: ``csv``, ``json``, ``json_bulk`` (Talkdesk contract 5, 6.1 and 6.5).

The expected values are computed from the loaded rows in plain Python (``tests/fixtures/care.py``); names, order and
labels of the columns are those of the models in ``rows.py``.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from tests.contract.talkdesk.rows import labels_by_name
from tests.fixtures.care import TRICKY, Care, Row, call, stay
from tests.fixtures.installation import Served
from tests.fixtures.row_comparison import assert_same_rows
from tests.fixtures.talkdesk import TalkdeskWire

ZONE = "Europe/Prague"
SPRING = ("2026-03-20T00:00:00Z", "2026-04-10T00:00:00Z")  # clocks change on 29 March, 01:00 UTC
AUTUMN = ("2026-10-10T00:00:00Z", "2026-11-01T00:00:00Z")  # and on 25 October, 01:00 UTC
KEYS = {"calls": ("call_id",), "user_status": ("user_id", "status_label")}
LABELS = {report: labels_by_name(report) for report in KEYS}
FORMATS = ("csv", "json", "json_bulk")

AGENTS = [
    {"agent_id": "a1", "name": 'Renée "Ren" O\'Neil, 漢字', "email": "renée@example.org", "is_active": True},
    {"agent_id": "a2", "name": "=HYPERLINK(1)", "email": "", "is_active": False},
]
TEAMS = {"t1": "Back, office\n2nd floor", "t2": ""}
QUEUES = {"q1": "Agents", "q2": 'Sales "north"', "q3": "كبار"}


def _calls() -> list[Row]:
    """Bare rows at the bounds of the timespan and around the changes of clocks, full rows with every difficult text."""
    at = [
        ("before", "2026-03-19T23:59:59.999999Z"),
        ("first", "2026-03-20T00:00:00Z"),
        ("winter", "2026-03-29T00:59:59Z"),
        ("summer", "2026-03-29T01:00:00Z"),
        ("last", "2026-04-09T23:59:59.999999Z"),
        ("end", "2026-04-10T00:00:00Z"),
        ("again", "2026-10-25T00:30:00Z"),
        ("twice", "2026-10-25T01:30:00Z"),
    ]
    rows = [call(name, instant, instant_custom_1=instant) for name, instant in at]
    for number, text in enumerate(TRICKY):
        rows.append(
            call(
                f"tricky-{number:02}",
                f"2026-03-21T10:00:{number:02}Z",
                started_at="2026-03-21T09:59:00.5+01:00",
                agent_id="a1" if number % 2 else "a2",
                handling_agent_id="a2" if number % 3 else None,
                team_id=("t1", "t2", None)[number % 3],
                queue_ids=(["q1"], ["q3", "q2", "q1"], [], None)[number % 4],
                company_number_label=text,
                disposition_code=text,
                disposition_set=text,
                nested_disposition=text,
                notes=text,
                rating_reason=text,
                ivr_options=(None, "", "1,2,1")[number % 3],
                text_custom_1=text,
                text_custom_2=text + text,
                text_custom_3=f"a{text}b",
                text_custom_4=None,
                recording_url="https://example.org/r?a=1&b=2",
                mood="",
                is_mood_prompted=(True, False, None)[number % 3],
                is_queue_callback=(None, True, False)[number % 3],
                agent_disconnected=(False, None, True)[number % 3],
                is_damaged=number % 2 == 0,
                voice_rating=number % 6,
                csat_score=-number,
                csat_answered_at="2026-03-21T12:00:00+02:00" if number % 2 else None,
                integer_custom_1=9_007_199_254_740_993 + number,
                integer_custom_2=-number,
                decimal_custom_1=(0.1, -2.5, 3.0, 1e-7, 123456.789)[number % 5],
                decimal_custom_2=(1 / 3, 1e15, -0.0, 5e-324, 1.7976931348623157e308)[number % 5],
            )
        )
    return rows


def _stays() -> list[Row]:
    rows = [
        stay("a1", "2026-10-25T00:30:00Z", "2026-10-25T00:45:00Z", state="first half past two"),
        stay("a1", "2026-10-25T01:30:00Z", "2026-10-25T01:45:00Z", state="second half past two"),
        stay(
            "a2", "2026-10-25T00:00:00Z", "2026-10-25T02:00:00.9Z", state="across", team_id="t1", queue_ids=["q1", "q3"]
        ),
        stay("a2", "2026-10-09T00:00:00Z", "2026-10-10T00:00:00Z", state="ends at the start"),
        stay("a1", "2026-10-31T00:00:00Z", "2026-11-01T00:00:00Z", state="ends at the end"),
        stay("a1", "2026-10-11T00:00:00Z", "2026-10-11T00:00:00Z", state="no time at all", team_id="t2"),
    ]
    for number, text in enumerate(TRICKY):
        rows.append(stay("a2", f"2026-10-12T10:00:{number:02}Z", f"2026-10-12T11:00:{number:02}Z", state=text))
    return rows


CARE = Care(calls=_calls(), stays=_stays(), agents=AGENTS, teams=TEAMS, queues=QUEUES)


@dataclass(frozen=True, slots=True)
class Case:
    """An export, and its expected entries."""

    report: str
    bounds: tuple[str, str]
    zone: str

    def entries(self) -> list[Row]:
        """The entries; a file promises no order."""
        make = CARE.call_entries if self.report == "calls" else CARE.stay_entries
        return make(*self.bounds, self.zone)


ALL = {
    "calls-spring": Case("calls", SPRING, ZONE),
    "calls-autumn": Case("calls", AUTUMN, ZONE),
    "calls-utc": Case("calls", SPRING, "UTC"),
    "user_status-autumn": Case("user_status", AUTUMN, ZONE),
    "user_status-half-hours": Case("user_status", AUTUMN, "Asia/Kolkata"),
}
CASES = [pytest.param(case, id=name) for name, case in ALL.items()]


@pytest.fixture(scope="module")
def client(busy: Served) -> Iterator[TalkdeskWire]:
    tenant = busy.tenant("files")
    busy.installation.load_all(CARE.tables(), tenant=tenant.tenant)
    with busy.client(tenant) as made:
        yield made


@pytest.fixture(scope="module")
def file_of(client: TalkdeskWire) -> Callable[[Case, str], bytes]:
    """Return the file of a case in a format; each is exported once."""
    made: dict[tuple[Case, str], bytes] = {}

    def file(case: Case, format_: str) -> bytes:
        if (case, format_) not in made:
            made[case, format_] = client.export(case.report, *case.bounds, format_=format_, timezone=case.zone)
        return made[case, format_]

    return file


Files = Callable[[Case, str], bytes]


def test_the_cases_are_not_empty() -> None:
    """A comparison of two empty files shows nothing."""
    sizes = {name: len(case.entries()) for name, case in ALL.items()}
    tricky = len(TRICKY)
    assert sizes == {
        "calls-spring": 4 + tricky,
        "calls-autumn": 2,
        "calls-utc": 4 + tricky,
        "user_status-autumn": 5 + tricky,
        "user_status-half-hours": 5 + tricky,
    }


@pytest.mark.parametrize("case", CASES)
def test_json_holds_every_value_with_its_type(case: Case, file_of: Files) -> None:
    """Talkdesk contract 5.1 and 5.4, documented (structure) and seen (types): 1, 1.0, true and "1" are different."""
    document = _strict(file_of(case, "json").decode("utf-8"))
    assert list(document) == ["type", "version", "entries", "total"]
    assert (document["type"], document["version"]) == (case.report, "v1")
    assert type(document["total"]) is int
    assert document["total"] == len(document["entries"])
    assert_same_rows(document["entries"], case.entries(), key=KEYS[case.report])


@pytest.mark.parametrize("case", CASES)
def test_columns_have_the_order_of_the_contract(case: Case, file_of: Files) -> None:
    """Talkdesk contract 6.1 and 6.5: positional loaders break when columns move."""
    names, labels = list(LABELS[case.report]), list(LABELS[case.report].values())
    for entry in _strict(file_of(case, "json").decode())["entries"]:
        assert list(entry) == names, f"the model of {case.report} in tests/contract/talkdesk/rows.py has other columns"
    assert file_of(case, "csv").split(b"\n", 1)[0].decode().split(",") == labels


@pytest.mark.parametrize("case", CASES)
def test_json_bulk_has_one_entry_per_line(case: Case, file_of: Files) -> None:
    """Talkdesk contract 5.3, proposed: exactly the objects of ``entries``, one per line, without the outer object, and
    a line end at the end."""
    text = file_of(case, "json_bulk").decode("utf-8")
    assert text.endswith("\n")
    lines = text.removesuffix("\n").split("\n")  # U+2028 does not end a line
    assert_same_rows([_strict(line) for line in lines], case.entries(), key=KEYS[case.report])
    rows = file_of(case, "json").decode("utf-8").split("\n")[1:-2]  # between the first and the last line of the object
    assert sorted(lines) == sorted(row.removesuffix(",") for row in rows)


@pytest.mark.parametrize("case", CASES)
def test_csv_cell_by_cell(case: Case, file_of: Files) -> None:
    """Talkdesk contract 5.2: read by Python's csv module; null and empty text are both an empty field."""
    rows = list(csv.reader(io.StringIO(file_of(case, "csv").decode("utf-8"), newline=""), strict=True))
    names = list(LABELS[case.report])
    assert rows[0] == list(LABELS[case.report].values())
    entries = case.entries()
    decimals = {name for entry in entries for name, value in entry.items() if isinstance(value, float)}
    found = [
        {name: float(cell) if name in decimals and cell else cell for name, cell in zip(names, row, strict=True)}
        for row in rows[1:]
    ]
    expected = [
        {name: value if isinstance(value, float) else _cell(value) for name, value in entry.items()}
        for entry in entries
    ]
    assert_same_rows(found, expected, key=KEYS[case.report])


@pytest.mark.parametrize("case", CASES)
def test_csv_byte_by_byte(case: Case, file_of: Files) -> None:
    """Talkdesk contract 5.2: RFC 4180 quoting only where needed; proposed: ``\\n`` line ends, no byte order mark."""
    file = file_of(case, "csv")
    rows = list(csv.reader(io.StringIO(file.decode("utf-8"), newline=""), strict=True))
    assert file == "".join(",".join(map(_quoted, row)) + "\n" for row in rows).encode("utf-8")


@pytest.mark.parametrize(("report", "labels"), LABELS.items(), ids=LABELS)
@pytest.mark.parametrize("zone", ["UTC", ZONE])
def test_pitfall_04_an_empty_export_has_its_framing(
    report: str, labels: Mapping[str, str], zone: str, client: TalkdeskWire
) -> None:
    """Talkdesk contract 7.4, seen: clients look for ``entries`` even if it is empty."""
    bounds = ("2020-02-01T00:00:00", "2020-03-01T00:00:00")
    files = {word: client.export(report, *bounds, format_=word, timezone=zone) for word in FORMATS}
    assert json.loads(files["json"]) == {"type": report, "version": "v1", "entries": [], "total": 0}
    assert files["csv"] == (",".join(labels.values()) + "\n").encode()
    assert files["json_bulk"] == b""


def test_a_tenant_without_any_data_gets_empty_files(busy: Served) -> None:
    """Talkdesk contract 7.4, seen; also at the far ends of the calendar."""
    with busy.client(busy.tenant("empty")) as client:
        for report, start, end in (
            ("calls", "2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z"),
            ("user_status", "0001-01-03T00:00:00Z", "0001-02-01T00:00:00Z"),
            ("user_status", "9999-12-01T00:00:00Z", "9999-12-30T00:00:00Z"),
        ):
            document = json.loads(client.export(report, start, end, timezone="America/New_York"))
            assert document == {"type": report, "version": "v1", "entries": [], "total": 0}


def test_the_zone_of_the_job_is_the_zone_of_the_file(file_of: Files) -> None:
    """Talkdesk contract 5.4, proposed: values with Z stay UTC, zone-less ones are the job's wall clock, also in a
    repeated hour."""
    spring = _strict(file_of(Case("calls", SPRING, ZONE), "json").decode())["entries"]
    at = {entry["call_id"]: (entry["end_at"], entry["timestamp_custom_field_n1"]) for entry in spring}
    assert at["winter"] == ("2026-03-29T00:59:59Z", "2026-03-29 01:59:59")
    assert at["summer"] == ("2026-03-29T01:00:00Z", "2026-03-29 03:00:00")
    autumn = _strict(file_of(Case("user_status", AUTUMN, ZONE), "json").decode())["entries"]
    times = {entry["status_label"]: (entry["status_start_at"], entry["status_time"]) for entry in autumn}
    assert times["first half past two"] == ("2026-10-25 02:30:00", 900)
    assert times["second half past two"] == ("2026-10-25 02:30:00", 900)
    assert times["across"] == ("2026-10-25 02:00:00", 7200)


def test_long_numbers_keep_every_digit(file_of: Files) -> None:
    """Talkdesk contract 5.4: ids and phone numbers are text; integers beyond 2**53 keep their last digit, in every
    format."""
    case = Case("calls", SPRING, ZONE)
    for word in FORMATS:
        text = file_of(case, word).decode("utf-8")
        assert "9007199254740993" in text
        assert "00012345678901234567890" in text
        assert "+420600000002" in text


def test_leading_signs_are_not_changed(file_of: Files) -> None:
    """Talkdesk contract 5.2: this csv is read by programs; text that begins like a formula is neither truncated nor
    prefixed."""
    rows = csv.DictReader(io.StringIO(file_of(Case("calls", SPRING, ZONE), "csv").decode(), newline=""))
    notes = {row["Notes"] for row in rows}
    assert {"=1+1", "+420 123", "-1", "@SUM(A1)"} <= notes


def test_a_request_guards_csv_cells_against_formulas(client: TalkdeskWire, file_of: Files) -> None:
    """Talkdesk contract 2.2, proposed: an apostrophe before texts only; other formats are unchanged."""
    case = ALL["calls-utc"]
    plain, prefixed = (
        {row["Call Id"]: row for row in csv.DictReader(io.StringIO(data.decode(), newline=""), strict=True)}
        for data in (
            file_of(case, "csv"),
            client.export("calls", *case.bounds, format_="csv", timezone=case.zone, csv_guard_formulas=True),
        )
    )
    changed = {
        (label, cell[:1])
        for call_id, row in plain.items()
        for label, cell in row.items()
        if prefixed[call_id][label] != cell and prefixed[call_id][label] == f"'{cell}"
    }
    assert ("Notes", "=") in changed
    assert {sign for _, sign in changed} <= set("=+-@\t\r\n")
    labels = {label for label, _ in changed}
    for call_id, row in plain.items():
        for label, cell in row.items():
            is_formula = label in labels and cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
            assert prefixed[call_id][label] == (f"'{cell}" if is_formula else cell)
    assert "Csat Score" not in labels  # a negative number
    as_json = client.export("calls", *case.bounds, timezone=case.zone, csv_guard_formulas=True)
    assert_same_rows(json.loads(as_json)["entries"], json.loads(file_of(case, "json"))["entries"])
    bounds = {"from": case.bounds[0], "to": case.bounds[1]}
    refused = client.send_create("calls", {"format": "csv", "timespan": bounds, "csv_guard_formulas": "yes"})
    assert refused.status_code == 400
    assert [field["name"] for field in refused.json()["fields"]] == ["csv_guard_formulas"]


def test_golden_bytes_of_one_entry(busy: Served) -> None:
    """Talkdesk contract 5.1 to 5.3: the complete files, written as literals."""
    tenant = busy.tenant("golden")
    agent = {"agent_id": "a1", "name": 'Žofie "Zo"', "email": "z@example.org", "is_active": True}
    care = Care(
        stays=[
            stay("a1", "2026-03-01T08:00:00Z", "2026-03-01T08:15:30Z", state="On, Call\n🙂", queue_ids=["q2", "q1"])
        ],
        agents=[agent],
        queues={"q1": "a", "q2": "b"},
    )
    busy.installation.load_all({name: rows for name, rows in care.tables().items() if rows}, tenant=tenant.tenant)
    with busy.client(tenant) as client:
        files = {
            word: client.export("user_status", "2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z", format_=word)
            for word in FORMATS
        }
    entry = (
        '{"user_id":"a1","user_name":"Žofie \\"Zo\\"","user_email":"z@example.org","status_label":"On, Call\\n🙂",'
        '"status_start_at":"2026-03-01 08:00:00","status_end_at":"2026-03-01 08:15:30","status_time":930,'
        '"is_user_active":true,"team_id":null,"team_name":null,"ring_groups":"b+a"}'
    )
    assert files["json"].decode() == f'{{"type":"user_status","version":"v1","entries":[\n{entry}\n],"total":1}}\n'
    assert files["json_bulk"].decode() == entry + "\n"
    assert files["csv"].decode() == (
        "User Id,User Name,User Email,Status Label,Status Start At,Status End At,Status Time,Is User Active,"
        "Team Id,Team Name,Ring Groups\n"
        'a1,"Žofie ""Zo""",z@example.org,"On, Call\n🙂",2026-03-01 08:00:00,2026-03-01 08:15:30,930,true,,,b+a\n'
    )


def test_a_hash_needs_no_quotes(busy: Served) -> None:
    """Talkdesk contract 5.2: quoting only where needed."""
    tenant = busy.tenant("hash")
    busy.installation.load("call", [call("c#1", "2026-03-01T08:00:00Z", notes="#note")], tenant=tenant.tenant)
    with busy.client(tenant) as client:
        file = client.export("calls", "2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z", format_="csv")
    assert file.split(b"\n")[1].startswith(b"c#1,")


def _strict(text: str) -> Any:
    """JSON without duplicate keys, NaN or Infinity."""

    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        assert len({key for key, _ in found}) == len(found)
        return dict(found)

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(text, object_pairs_hook=pairs, parse_constant=refuse)


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def _quoted(cell: str) -> str:
    """RFC 4180, section 2.6 and 2.7."""
    needed = any(sign in cell for sign in ',"\n\r')
    return '"' + cell.replace('"', '""') + '"' if needed else cell
