"""The library against a real server: reports, previews, exports, files and tables."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from offtake_client import AsyncOfftake, Offtake, verify
from offtake_client.errors import Conflict, InvalidRequest, NotAuthenticated, NotFound, ProfileError, UnknownOption
from tests.fixtures.installation import Served

MARCH: dict[str, Any] = {"start": "2026-03-01", "end": "2026-04-01"}
COLUMNS = ["call_id", "kind", "started_at", "talk_seconds"]


def test_reports_limits_and_previews(offtake: Offtake) -> None:
    assert "calls" in [report.name for report in offtake.reports()]
    report = offtake.describe("calls")
    assert {"call_id", "talk_seconds"} <= {column.name for column in report.columns}
    assert "parquet" in report.formats
    limits = offtake.limits()
    assert limits.open_exports == 20
    assert limits.rates["create"].seconds == 60
    assert offtake.usage().open_exports == 0
    found = offtake.preview("calls", **MARCH, columns=COLUMNS, where={"talk_seconds": (60, None)}, rows=5)
    assert [column.name for column in found.columns] == COLUMNS
    assert len(found.rows) == 5
    assert all(row[3] >= 60 for row in found.rows)


def test_an_export_becomes_files_and_tables(offtake: Offtake, tmp_path: Path) -> None:
    target = tmp_path / "calls"
    export = offtake.export("calls", **MARCH, columns=COLUMNS, order=["call_id"], target=target)
    assert list(target.glob(".offtake-request-*")) != []
    updates = list(export.progress())
    assert (updates[-1].state, updates[-1].percent) == ("succeeded", 100.0)
    seen: list[int] = []
    paths = export.download(on_progress=lambda progress: seen.append(progress.bytes))
    manifest = export.manifest()
    assert [path.name for path in paths] == [file.name for file in manifest.files]
    assert seen[-1] == manifest.bytes
    assert sorted(path.name for path in target.iterdir()) == sorted([paths[0].name, f"{export.id}.manifest.json"])
    assert [checked.fault for checked in verify(target)] == [""]

    frame = export.to_polars()
    assert (frame.height, frame.columns) == (manifest.rows, COLUMNS)
    assert export.to_pandas()["call_id"].tolist() == frame["call_id"].to_list()
    assert export.to_duckdb().aggregate("count(*), sum(talk_seconds)").fetchall() == [
        (manifest.rows, frame["talk_seconds"].sum())
    ]
    numbers = offtake.export("calls", **MARCH, columns=["integer_custom_2"])
    exact = numbers.to_arrow()["integer_custom_2"].to_pylist()
    assert any(value is not None and value > 2**53 for value in exact)
    assert None in exact
    assert (
        numbers.to_pandas()["integer_custom_2"].astype(object).where(lambda column: column.notna(), None).tolist()
        == exact
    )
    again = offtake.find_export(export.id)  # without files on the disk
    batches = list(again.iter_batches(rows=1000))
    assert sum(batch.num_rows for batch in batches) == manifest.rows
    assert max(batch.num_rows for batch in batches) == 1000
    assert again.target is None


def test_the_same_in_an_event_loop(server: Served, token: str, tmp_path: Path) -> None:
    async def story() -> None:
        async with AsyncOfftake(server.url, token=token) as offtake:
            assert "calls" in [report.name for report in await offtake.reports()]
            target = tmp_path / "several"
            options = {"split": {"rows": 1000}}
            export = await offtake.export("calls", **MARCH, columns=COLUMNS, target=target, options=options)
            states = [update.state async for update in export.progress()]
            assert states[-1] == "succeeded"
            paths = await export.download(connections=2)
            assert len(paths) == 4
            assert (await export.to_arrow()).num_rows == export.info.rows
            assert export.id in [found.id async for found in offtake.exports(report="calls")]
            assert [batch.num_rows async for batch in export.iter_batches()] == [1000] * 4

    asyncio.run(story())


def test_an_equal_request_finds_its_export_until_the_files_are_complete(offtake: Offtake, tmp_path: Path) -> None:
    def made(**more: Any) -> Any:
        return offtake.export("calls", last="7d", columns=COLUMNS, **more)

    first = made(target=tmp_path / "a")
    assert made(target=tmp_path / "a").id == first.id
    assert made(target=tmp_path / "b").id != first.id
    without = made()
    assert made().id == without.id
    first.download()
    without.download(tmp_path / "c")
    assert made(target=tmp_path / "a").id != first.id
    assert made().id != without.id
    # A record without the export: the client was killed before the answer arrived.
    record = next((tmp_path / "b").glob(".offtake-request-*"))
    stored = json.loads(record.read_text())
    record.write_text(json.dumps({**stored, "export": None}))
    assert made(target=tmp_path / "b").id == stored["export"]


def test_refusals_are_errors_that_say_what_to_do(offtake: Offtake, server: Served, tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match=r"/columns/0: There is no such column; did you mean 'call_id'") as refused:
        offtake.export("calls", **MARCH, columns=["cal_id"], target=tmp_path)
    assert refused.value.faults[0].nearest == "call_id"
    with pytest.raises(NotFound):
        offtake.describe("cals")
    with pytest.raises(NotFound):
        offtake.find_export("0f6d1c7e-5b0a-4c55-9d3e-7a1f2b90c3aa")
    with pytest.raises(UnknownOption, match="Give last='7d'"):
        offtake.export("calls")
    with pytest.raises(ProfileError, match="offtake-client login"):
        Offtake(server.url)
    with Offtake(server.url, token="wrong") as stranger, pytest.raises(NotAuthenticated, match="Log in again"):
        stranger.reports()
    done = offtake.export("calls", **MARCH, columns=["kind"], target=tmp_path)
    done.wait()
    with pytest.raises(Conflict):
        done.cancel()
    text = offtake.export("calls", **MARCH, columns=["kind"], format="csv", target=tmp_path)
    with pytest.raises(UnknownOption, match="parquet"):
        text.to_polars()
