"""Drafts of mappings: what a sample tells, and that a draft can be used."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from offtake.errors import LakeError
from offtake.lake.delta import Lake
from offtake.lake.ingest.inputs.input_file import local_input
from offtake.lake.ingest.load import load
from offtake.lake.ingest.mapping.draft.match import read_toml_synonyms
from offtake.lake.ingest.mapping.draft.write import draft
from offtake.lake.ingest.mapping.toml_mapping import read_mapping
from offtake.lake.ingest.readers.source import ReaderOptions
from offtake.lake.staging import staging
from offtake.lake.storage import FolderTableStorage
from offtake.lake.tables import Table, tables
from tests.unit.lake.stored import AGENT, CALL, STATE, stored, written

HEADER = "Call SID;Start Time;End Time;From;To;Status;Duration;Talk time;Agent;Extra;Transferred;queue wait;Nr. 2.;Seen"
ROWS = [
    "CA1;01.03.2026 08:00:00;01.03.2026 08:05:10; 030 1234567;+4930999;missed;00:05:10;00:04;Zoë;1;ja;1.234,5;"
    ";02.03.2026 08:00",
    "CA2;13.03.2026 08:00:00;13.03.2026 08:05:10;030 1234567;+4930999;Voice mail;00:00:10;00:00;N/A;2;nein;0,5;"
    ";03.03.2026 08:00",
]
ROWS += [ROWS[1], ROWS[1].replace("CA2", "N/A")]


def _drafted(folder: Path, table: Table, path: Path) -> str:
    with staging(folder / "staging") as area:
        return draft(area, table, local_input(path))


def test_a_draft_tells_notations_codes_and_what_is_missing_or_left_over(tmp_path: Path) -> None:
    path = written(tmp_path / "calls.csv", "\r\n".join([HEADER, *ROWS]).encode("windows-1252"))
    text = _drafted(tmp_path, CALL, path)
    lines = text.splitlines()
    for expected in (
        'table = "call"',
        'delimiter = ";"',
        '    "Extra",',
        '    "Nr. 2.",',
        '    "Seen",  # time = "%d.%m.%Y %H:%M"',
        "[rows]",
        "# EDIT: 1 of 4 rows of the sample have no value in the key (call_id) and are rejected, unless:",
        """# filter = "trim(CAST(\\"Call SID\\" AS VARCHAR)) NOT IN ('', 'N/A')\"""",
        "# EDIT: 1 of 4 rows of the sample repeat a key (call_id); the last row is stored, unless:",
        '# keep = "first"',
        """# by = "strptime(\\"End Time\\", '%d.%m.%Y %H:%M:%S')\"""",
        "trim = true",
        'from = "Start Time"',
        'time = "%d.%m.%Y %H:%M:%S"',
        'duration = "hh:mm:ss"',
        'duration = "mm:ss"',
        'true = ["ja"]',
        '"Voice mail" = "voicemail"',
    ):
        assert expected in lines, text
    starts = (
        'encoding = "windows-1252"  # a guess',
        'null = ["N/A"]',
        'call_id = "Call SID"  # 0.',
        "# carrier_call_id = { from",
    )
    for start in (
        *starts,
        "# EDIT: there are times without an offset",
        '# EDIT: phone = "CZ" makes',
        "is_damaged = { constant = false }  # boolean",
    ):
        assert any(line.startswith(start) for line in lines), (start, text)
    with pytest.raises(LakeError, match=r"'time' is '%d\.%m\.%Y %H:%M:%S', a local time; add its zone"):
        read_mapping(written(tmp_path / "draft.toml", text))


def test_the_draft_of_a_file_of_ours_is_accepted_as_it_is(tmp_path: Path) -> None:
    lake = Lake(FolderTableStorage(tmp_path / "lake"))
    agents = written(tmp_path / "agent.csv", "agent_id,name,email,is_active\na1,Zoë,zoe@example.com,true\n")
    row = {"agent_id": "a1", "started_at": "2026-03-02T08:00:00Z", "state": "On a Call", "queue_ids": ["q1", "q2"]}
    states = written(tmp_path / "states.ndjson", json.dumps(row) + "\n")
    for table, path in ((AGENT, agents), (STATE, states)):
        mapping = read_mapping(written(tmp_path / f"{table.name}.toml", _drafted(tmp_path, table, path)))
        assert all(rule.is_plain for rule in mapping.columns.values())
        assert load(lake, table, [path], tenant="acme", mapping=mapping).inserted == 1
    (stored_state,) = stored(lake, STATE).values()
    assert stored_state["queue_ids"] == ["q1", "q2"]


def test_paths_of_nested_objects_are_matched(tmp_path: Path) -> None:
    """An object that is null in some rows is no column; a key is read with its object: a line has a type, too."""
    profile = {"name": "Ann", "e-mail": "ann@example.com"}
    row = {"id": 7, "profile": profile, "active": "no", "other": {"x": 1}, "agent": None, "line_id": 5}
    rows = [row, {**row, "id": 8, "agent": {"type": "full"}}]
    path = written(tmp_path / "agents.ndjson", "".join(json.dumps(each) + "\n" for each in rows))
    lake, mapping = Lake(FolderTableStorage(tmp_path / "lake")), tmp_path / "draft.toml"
    mapping.write_text(_drafted(tmp_path, AGENT, path))
    assert load(lake, AGENT, [path], tenant="acme", mapping=read_mapping(mapping)).inserted == 2
    found = stored(lake, AGENT)["7",]
    names = ("name", "email", "is_active", "number")
    assert [found[name] for name in names] == ["Ann", "ann@example.com", False, None]
    leg = {"ContactId": "c", "Line": {"Type": "PHONE"}, "Started": "2026-03-02T08:00:00Z", "call_length_seconds": 3}
    text = _drafted(tmp_path, CALL, written(tmp_path / "legs.ndjson", json.dumps(leg) + "\n"))
    lines = text.splitlines()
    for start in (
        '# carrier_call_id = { from = "ContactId" }  # id',
        '# kind = { constant = "inbound" }',
        "talk_seconds = { constant = 0 }",
        'total_seconds = "call_length_seconds"  # 0.82: synonym without its ending',
        "# Left over in objects: keys that nothing is made from.",
        '#     "Line.Type"',
    ):
        assert any(line.startswith(start) for line in lines), (start, text)


def test_options_tell_how_a_file_is_read_and_are_kept(tmp_path: Path) -> None:
    row = {"agent_id": "a1", "name": "Zoë", "email": "zoe@example.com", "is_active": True}
    path = written(tmp_path / "agents.json", json.dumps({"data": {"items": [row]}}))
    without = _drafted(tmp_path, AGENT, path)
    assert "# EDIT: the file is one object; if its rows are in an array" in without
    assert '# records = "data.items"' in without
    with staging(tmp_path / "staging") as area:
        text = draft(area, AGENT, local_input(path), ReaderOptions(records="data.items"))
    assert "the file is one object" not in text
    mapping = read_mapping(written(tmp_path / "draft.toml", text))
    lake = Lake(FolderTableStorage(tmp_path / "lake"))
    assert load(lake, AGENT, [path], tenant="acme", mapping=mapping).inserted == 1


def test_synonyms_name_columns_of_the_model() -> None:
    every = {column for table in tables().values() for column in table.by_name}
    for name, columns in read_toml_synonyms().items():
        known = every if name == "any" else set(tables()[name].by_name)
        assert columns.keys() <= known, name
        assert all(len(set(names)) == len(names) for names in columns.values())
