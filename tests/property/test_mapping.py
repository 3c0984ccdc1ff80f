"""Random tables in a foreign notation: the stored rows are those of an independent calculation, faults are counted.

Each cell is generated with the value that it stands for, so the expectation does not parse anything.
"""

from __future__ import annotations

import csv
import io
import json
import tempfile
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from offtake.errors import LoadRejected
from offtake.lake.delta import Lake
from offtake.lake.ingest.check import check
from offtake.lake.ingest.load import load
from offtake.lake.ingest.mapping.toml_mapping import read_mapping
from offtake.lake.ingest.options import LoadOptions
from offtake.lake.storage import FolderTableStorage
from offtake.lake.tables import tables
from tests.unit.lake.stored import stored

CALL = tables()["call"]
NOTHING = ["", "-", " N/A "]  # no value, after trimming
_MAPPING = """
table = "call"
[source]
delimiter = ";"
ignore = ["Unused"]
[values]
trim = true
null = ["", "-", "N/A"]
zone = "{zone}"
[rows]
filter = "Keep = 'yes'"
keep = "{keep}"
by = "TRY_CAST(Version AS BIGINT)"
[columns]
call_id = "Id"
kind = {{ from = "Code", lookup = {{ "1" = "inbound", "2" = "missed" }} }}
ended_at = {{ from = "End", time = "%d.%m.%Y %H:%M:%S", ambiguous = "{ambiguous}", nonexistent = "{nonexistent}" }}
csat_answered_at = {{ from = "Answered", time = ["epoch_ms", "iso"] }}
customer_number = {{ from = "Phone", phone = "DE", default = "+490000000" }}
queue_ids = {{ from = "Queues", split = "|" }}
talk_seconds = {{ from = "Talk", duration = "milliseconds", round = "down", default = 0 }}
decimal_custom_1 = {{ from = "Amount", decimal = ",", thousands = "." }}
integer_custom_1 = {{ from = "Count", thousands = " ", default = 5 }}
is_transfer = {{ from = "Moved", true = ["Ja", "1"], false = ["Nein", "0"] }}
text_custom_1 = {{ expression = "concat(upper(\\"First name\\"), '/', Code)" }}
started_at = {{ constant = 1990-01-01T00:00:00Z }}
carrier_call_id = {{ constant = "c" }}
company_number = {{ constant = "+4930000000" }}
"""
_REST = ("wait", "hold", "abandon", "ringing")
_FLAGS = ("is_in_business_hours", "is_external_transfer", "is_no_answer_rule", "is_forwarded", "is_damaged")
_MAPPING += "".join(f"{name}_seconds = {{{{ constant = 0 }}}}\n" for name in _REST)
_MAPPING += "".join(f"{name} = {{{{ constant = false }}}}\n" for name in _FLAGS)
_MAPPING += """
[columns.total_seconds]
from = "Length"
duration = ["hh:mm:ss", "mm:ss", "words", "iso8601", "seconds"]
round = "{round}"
"""


@dataclass(frozen=True)
class Cell:
    """A text of the source and the value that it stands for; ``bad`` if it stands for none."""

    text: str
    value: object = None
    bad: bool = False


BAD = [Cell(text, bad=True) for text in ("zz", "1,2,3", "12:61", "ja nein", "31.02.2026 10:00:00", "1e", "P", "é")]
EMPTY = [Cell(text) for text in NOTHING]


def _or_bad(good: st.SearchStrategy[Cell], *, empty: bool = True) -> st.SearchStrategy[Cell]:
    """Return a cell that is good more often than not."""
    return st.one_of(good, good, good, st.sampled_from(BAD), *([st.sampled_from(EMPTY)] if empty else []))


def _padded(text: str) -> st.SearchStrategy[str]:
    return st.sampled_from([text, f" {text}", f"{text}\t"])


def _length(parts: tuple[int, int, int, int]) -> st.SearchStrategy[Cell]:
    hours, minutes, seconds, thousandths = parts
    total = Decimal(hours * 3600 + minutes * 60 + seconds) + Decimal(thousandths) / 1000
    fraction = f".{thousandths:03}" if thousandths else ""
    texts = [
        f"{hours}:{minutes:02}:{seconds:02}{fraction}",
        f"{hours * 60 + minutes}:{seconds:02}{fraction}",
        f"{hours}h {minutes}m {seconds}{fraction}s",
        f"{hours} hours {minutes} min",
        f"PT{hours}H{minutes}M{seconds}{fraction}S",
        f"{total}",
    ]
    values = [total, total, total, Decimal(hours * 3600 + minutes * 60), total, total]
    return st.sampled_from([Cell(text, value) for text, value in zip(texts, values, strict=True)])


_WHOLE = st.integers(0, 10**7)
_LENGTH = st.tuples(st.integers(0, 30), st.integers(0, 59), st.integers(0, 59), st.sampled_from([0, 0, 1, 500, 999]))
# Around the clock changes of the zones below, and anywhere.
_LOCAL = st.one_of(
    st.datetimes(datetime(2026, 3, 28), datetime(2026, 3, 30)),  # noqa: DTZ001 - local times
    st.datetimes(datetime(2026, 10, 24), datetime(2026, 10, 26)),  # noqa: DTZ001
    st.datetimes(datetime(2026, 4, 4), datetime(2026, 4, 6)),  # noqa: DTZ001
    st.datetimes(datetime(2011, 12, 29), datetime(2012, 1, 1)),  # noqa: DTZ001
    st.datetimes(datetime(1995, 1, 1), datetime(2029, 12, 31)),  # noqa: DTZ001
).map(lambda moment: moment.replace(microsecond=0, fold=0))
_INSTANT = st.integers(10**12, 2 * 10**12)
_AMOUNT = st.decimals(-(10**7), 10**7, places=2)
_FLAG = {"Ja": True, "ja": True, "1": True, "NEIN": False, "0": False}
_ITEMS = st.lists(st.sampled_from(["a", "b c", "ü"]), max_size=3)


def _german(number: Decimal, thousands: str) -> str:
    return f"{number:,}".translate({ord(","): thousands, ord("."): ","})


def _phone(number: int) -> st.SearchStrategy[Cell]:
    national = f"30{number:07}"
    texts = [f"+49 {national}", f"0049{national}", f"0{national[:2]}/{national[2:]}", f"(030) {national[2:]}"]
    return st.sampled_from([Cell(text, f"+49{national}") for text in texts])


_ROW = st.fixed_dictionaries(
    {
        "Id": st.sampled_from([Cell("a", "a"), Cell(" b ", "b"), Cell("c", "c"), Cell("-")]),
        "Code": st.sampled_from([Cell("1", "inbound"), Cell("2 ", "missed"), Cell("3", bad=True)]),
        "End": _or_bad(_LOCAL.map(lambda moment: Cell(f"{moment:%d.%m.%Y %H:%M:%S}", moment))),
        "Answered": _or_bad(
            _INSTANT.flatmap(
                lambda ms: st.sampled_from(
                    [
                        Cell(str(ms), datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=ms)),
                        Cell("2026-01-01T10:00:00+02:00", datetime(2026, 1, 1, 8, tzinfo=UTC)),
                    ]
                )
            )
        ),
        "Phone": _or_bad(st.integers(1_000_000, 9_999_999).flatmap(_phone)),
        "Queues": st.one_of(_ITEMS.map(lambda items: Cell(" | ".join(items), items or None)), st.sampled_from(EMPTY)),
        "Length": _or_bad(_LENGTH.flatmap(_length)),
        "Talk": _or_bad(st.integers(0, 10**6).map(lambda ms: Cell(str(ms), ms // 1000))),
        "Amount": _or_bad(
            _AMOUNT.flatmap(
                lambda amount: st.sampled_from(["", "."]).map(lambda mark: Cell(_german(amount, mark), float(amount)))
            )
        ),
        "Count": _or_bad(_WHOLE.map(lambda number: Cell(f"{number:,}".replace(",", " "), number))),
        "Moved": _or_bad(st.sampled_from([Cell(text, value) for text, value in _FLAG.items()])),
        "First name": st.sampled_from([Cell("ann", "ann"), Cell("", ""), Cell('o"b;', 'o"b;')]),
        "Version": st.sampled_from([Cell("1"), Cell("2"), Cell("10"), Cell("x")]),
        "Keep": st.sampled_from([Cell("yes"), Cell("yes"), Cell("yes"), Cell("no"), Cell("")]),
        "Unused": st.just(Cell("x")),
    }
)
_COLUMNS = {
    "Id": "call_id",
    "Code": "kind",
    "End": "ended_at",
    "Answered": "csat_answered_at",
    "Phone": "customer_number",
    "Queues": "queue_ids",
    "Length": "total_seconds",
    "Talk": "talk_seconds",
    "Amount": "decimal_custom_1",
    "Count": "integer_custom_1",
    "Moved": "is_transfer",
}
_DEFAULTS: dict[str, object] = {"Phone": "+490000000", "Talk": 0, "Count": 5}
_REQUIRED = {"Id", "Code", "End", "Phone", "Length", "Talk", "Moved"}


@dataclass(frozen=True)
class Rules:
    """What the mapping says about clock changes, rounding and rows with the same key."""

    zone: str
    ambiguous: str
    nonexistent: str
    round: str
    keep: str


_RULES = st.builds(
    Rules,
    zone=st.sampled_from(["Europe/Prague", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia"]),
    ambiguous=st.sampled_from(["earlier", "later", "reject"]),
    nonexistent=st.sampled_from(["shift", "reject"]),
    round=st.sampled_from(["reject", "down", "nearest"]),
    keep=st.sampled_from(["first", "last"]),
)


def _instant(local: datetime, rules: Rules) -> datetime | None:
    """Return the instant of a local time by PEP 495; None if the rules reject it."""
    zone = ZoneInfo(rules.zone)
    earlier, later = (local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    exists = earlier.astimezone(zone).replace(tzinfo=None, fold=0) == local
    if not exists:
        return earlier if rules.nonexistent == "shift" else None
    if earlier != later:
        return {"earlier": earlier, "later": later, "reject": None}[rules.ambiguous]
    return earlier


def _seconds(length: Decimal, rules: Rules) -> int | None:
    if rules.round == "reject" and length % 1:
        return None
    return int(length.quantize(Decimal(1), rounding=ROUND_HALF_UP)) if rules.round == "nearest" else int(length)


def _expected(row: dict[str, Cell], rules: Rules) -> tuple[dict[str, object], set[str]]:
    """Return the values of our columns, and the columns with a fault."""
    values: dict[str, object] = {}
    faults: set[str] = set()
    for name, column in _COLUMNS.items():
        cell, value = row[name], row[name].value
        if isinstance(value, datetime) and name == "End":
            value = _instant(value, rules)
        elif isinstance(value, Decimal):
            value = _seconds(value, rules)
        if cell.bad or (value is None and cell.value is not None):
            faults.add(column)
        elif cell.value is None:
            value = _DEFAULTS.get(name)
            if value is None and name in _REQUIRED:
                faults.add(column)
        values[column] = value
    values["text_custom_1"] = f"{row['First name'].text.upper()}/{row['Code'].text}".strip()
    ended = values["ended_at"]
    if isinstance(ended, datetime) and ended < datetime(1990, 1, 1, tzinfo=UTC):
        faults.add("ended_at")
    return values, faults


def _written(folder: Path, rows: list[dict[str, Cell]], *, as_json: bool) -> Path:
    path = folder / ("rows.ndjson" if as_json else "rows.csv")
    texts = [{name: cell.text for name, cell in row.items()} for row in rows]
    if as_json:
        path.write_text("".join(json.dumps(row) + "\n" for row in texts))
        return path
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, fieldnames=list(texts[0]), delimiter=";", lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(texts)
    path.write_bytes(out.getvalue().encode())
    return path


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(rules=_RULES, rows=st.lists(_ROW, min_size=1, max_size=40), as_json=st.booleans())
def test_rows_are_those_of_an_independent_calculation(rules: Rules, rows: list[dict[str, Cell]], as_json: bool) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lake = Lake(FolderTableStorage(folder / "lake"))
        (folder / "map.toml").write_text(_MAPPING.format(**vars(rules)))
        mapping, path = read_mapping(folder / "map.toml"), _written(folder, rows, as_json=as_json)

        kept = [row for row in rows if row["Keep"].text == "yes"]
        expected = [_expected(row, rules) for row in kept]
        bad = Counter(column for _, faults in expected for column in faults)
        rejected = sum(bool(faults) for _, faults in expected)
        report = check(lake, CALL, [path], tenant="acme", options=LoadOptions(mapping=mapping))
        summary = (report.read, report.rejected, report.left_out)
        assert summary == (len(rows), rejected, len(rows) - len(kept)), report.groups
        found: Counter[str | None] = Counter()
        for group in report.groups.values():
            found[group.column] += group.count
        assert found == bad, report.groups

        if 0 < rejected == len(kept):  # a load of faulty rows only fails
            with pytest.raises(LoadRejected, match="no row is good"):
                load(lake, CALL, [path], tenant="acme", mapping=mapping, reject_to=folder / "bad.ndjson")
            return
        counts = load(lake, CALL, [path], tenant="acme", mapping=mapping, reject_to=folder / "bad.ndjson")
        assert (counts.rejected, counts.left_out) == (rejected, len(rows) - len(kept))
        stored_rows = _chosen(
            [(row, values) for row, (values, faults) in zip(kept, expected, strict=True) if not faults], rules
        )
        assert counts.inserted == len(stored_rows)
        actual = stored(lake, CALL, "acme") if stored_rows else {}
        assert {key[0] for key in actual} == set(stored_rows)
        for key, values in stored_rows.items():
            for column, value in values.items():
                assert _comparable(actual[(key,)][column]) == _comparable(value), column


def _chosen(rows: list[tuple[dict[str, Cell], dict[str, object]]], rules: Rules) -> dict[object, dict[str, object]]:
    """Return one row of each key: that of the highest version, or the lowest; of equal ones the last, or the first."""

    def rank(row: dict[str, Cell]) -> int:
        text = row["Version"].text
        return int(text) if text.isdigit() else -1

    by_rank = sorted(rows, key=lambda each: rank(each[0]))
    found: dict[object, dict[str, object]] = {}
    for _, values in by_rank:
        if rules.keep == "last" or values["call_id"] not in found:
            found[values["call_id"]] = values
    return found


def _comparable(value: object) -> object:
    return f"{value:%Y-%m-%dT%H:%M:%S.%fZ}" if isinstance(value, datetime) else value
