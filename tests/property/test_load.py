"""Any sequence of loads leaves the rows that a dictionary would hold, and counts every row once."""

from __future__ import annotations

import csv
import io
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from offtake.errors import LoadRejected
from offtake.lake.delta import Lake
from offtake.lake.ingest.counts import LoadCounts
from offtake.lake.ingest.csv_chunks import CsvSplitter
from offtake.lake.ingest.inputs.input_file import open_local
from offtake.lake.ingest.load import load
from offtake.lake.storage import FolderTableStorage
from tests.unit.lake.stored import STATE, changed_in, stored, version, written

_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
_INSTANTS = [f"2026-0{month}-01T00:00:0{second}.000000Z" for month in (1, 2, 3) for second in (0, 1)]


@dataclass(frozen=True)
class Line:
    """A row of agent_state in an input file; ``good`` is whether the model accepts it."""

    agent: str
    started_at: str
    state: str | None
    good: bool


_GOOD = st.builds(
    Line,
    agent=st.sampled_from(["a", "b", 'q"']),
    started_at=st.sampled_from(_INSTANTS),
    state=_TEXT,
    good=st.just(True),
)
_BAD = st.one_of(
    st.builds(Line, agent=st.just("a"), started_at=st.just("2026-01-01T00:00:00"), state=_TEXT, good=st.just(False)),
    st.builds(Line, agent=st.just("a"), started_at=st.just(_INSTANTS[0]), state=st.none(), good=st.just(False)),
)
_FILES = st.lists(st.tuples(st.booleans(), st.lists(_GOOD | _GOOD | _GOOD | _BAD, max_size=6)), min_size=1, max_size=3)
_LOADS = st.lists(st.tuples(st.sampled_from(["acme", "bolt"]), st.booleans(), _FILES), max_size=4)


def _file(folder: Path, as_csv: bool, lines: list[Line], name: str) -> Path:
    if not as_csv:
        rows = [{"agent_id": one.agent, "started_at": one.started_at, "state": one.state} for one in lines]
        return written(folder / f"{name}.ndjson", "".join(json.dumps(row) + "\n" for row in rows))
    out = io.StringIO(newline="")
    out.write("agent_id,started_at,state\n")
    for one in lines:
        csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator=",").writerow([one.agent, one.started_at])
        out.write("" if one.state is None else '"' + one.state.replace('"', '""') + '"')
        out.write("\n")
    return written(folder / f"{name}.csv", out.getvalue())


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(loads=_LOADS)
def test_loads_agree_with_a_dictionary(loads: list[tuple[str, bool, list[tuple[bool, list[Line]]]]]) -> None:
    model: dict[str, dict[tuple[object, ...], str | None]] = {"acme": {}, "bolt": {}}
    changes: dict[str, dict[tuple[object, ...], tuple[object, object]]] = {"acme": {}, "bolt": {}}
    with tempfile.TemporaryDirectory() as folder:
        lake, bad_to = Lake(FolderTableStorage(Path(folder) / "lake")), Path(folder) / "bad.ndjson"
        for tenant, tolerant, files in loads:
            paths = [_file(Path(folder), as_csv, lines, f"f{n}") for n, (as_csv, lines) in enumerate(files)]
            lines = [line for _, part in files for line in part]
            before = version(lake, STATE)
            bad = sum(not line.good for line in lines)
            if bad and (not tolerant or bad == len(lines)):
                with pytest.raises(LoadRejected):
                    load(lake, STATE, paths, tenant=tenant)
                assert version(lake, STATE) == before
                continue
            arriving: dict[tuple[object, ...], str | None] = {
                (line.agent, line.started_at): line.state for line in lines if line.good
            }
            known = arriving.keys() & model[tenant].keys()
            unchanged = {key for key in known if arriving[key] == model[tenant][key]}
            counts = load(lake, STATE, paths, tenant=tenant, reject_to=bad_to if tolerant else None)
            assert counts == LoadCounts(
                read=len(lines),
                inserted=len(arriving) - len(known),
                updated=len(known) - len(unchanged),
                unchanged=len(unchanged),
                superseded=len(lines) - bad - len(arriving),
                rejected=bad,
            )
            if tolerant:
                assert bad_to.read_text().count("\n") == bad
            model[tenant] |= arriving
            if arriving.keys() == unchanged:
                assert version(lake, STATE) == before
            changes[tenant] |= {key: (version(lake, STATE),) * 2 for key in arriving.keys() - unchanged}
            if lake.open(STATE) is not None:
                assert changed_in(lake, STATE, tenant) == changes[tenant]
            for name, rows in model.items():
                found = stored(lake, STATE, name)
                assert {key: row["state"] for key, row in found.items()} == rows
                assert all(str(row["started_at"]).startswith(str(row["month"])) for row in found.values())


@given(
    rows=st.lists(st.tuples(_TEXT, _TEXT), max_size=8),
    end=st.sampled_from(["\n", "\r\n"]),
    quoting=st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
    ends_with_line=st.booleans(),
)
def test_csv_records_begin_at_the_lines_that_a_csv_reader_reports(
    rows: list[tuple[str, str]],
    end: str,
    quoting: Literal[0, 1],
    ends_with_line: bool,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    if quoting == csv.QUOTE_MINIMAL:  # it does not quote a carriage return
        rows = [(first.replace("\r", ""), second.replace("\r", "")) for first, second in rows]
    out = io.StringIO(newline="")
    csv.writer(out, quoting=quoting, lineterminator=end).writerows([("a", "b"), *rows])
    begins, line = [], 2
    for row in rows:
        begins.append(line)
        line += 1 + sum(field.count("\n") for field in row)
    text = out.getvalue() if ends_with_line else out.getvalue().removesuffix(end)
    with open_local(written(tmp_path_factory.getbasetemp() / "lines.csv", text)) as file:
        splitter = CsvSplitter(file)
        assert splitter.header() == ("a,b" if quoting == csv.QUOTE_MINIMAL else '"a","b"')
        chunks = list(splitter.chunks())
    assert [record.line for chunk in chunks for record in chunk.split()] == begins
    assert sum(chunk.rows for chunk in chunks) == len(rows)
