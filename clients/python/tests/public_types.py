"""The types that callers see. Nothing runs this module: mypy checks it with ``strict``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import assert_type

from offtake_client import (
    AsyncDialectClient,
    AsyncDialectJob,
    AsyncExport,
    AsyncOfftake,
    DialectClient,
    DialectJob,
    Export,
    ExportInfo,
    Limits,
    Manifest,
    Offtake,
    Preview,
    Report,
    ReportSummary,
    Update,
)


def blocking(offtake: Offtake) -> None:
    """What the blocking classes return."""
    export = offtake.export("calls", last="7d", columns=["call_id"], where={"kind": ["inbound"]}, target="calls")
    assert_type(export, Export)
    assert_type(offtake.find_export("id"), Export)
    assert_type(offtake.exports(report="calls"), Iterator[Export])
    assert_type(offtake.preview("calls", start="2026-03-01", end="2026-04-01"), Preview)
    assert_type(offtake.reports(), list[ReportSummary])
    assert_type(offtake.describe("calls"), Report)
    assert_type(offtake.limits(), Limits)
    assert_type(export.progress(), Iterator[Update])
    assert_type(export.wait(), ExportInfo)
    assert_type(export.manifest(), Manifest)
    assert_type(export.download("calls", connections=2), list[Path])
    assert_type(export.to_polars().height, int)
    offtake.export("calls", last="7d", format="pdf")  # type: ignore[arg-type]
    offtake.export(last="7d")  # type: ignore[call-arg]
    export.download(connections="2")  # type: ignore[arg-type]


async def asynchronous(offtake: AsyncOfftake) -> None:
    """What the asynchronous classes return."""
    export = await offtake.export("calls", last="7d")
    assert_type(export, AsyncExport)
    assert_type(offtake.exports(), AsyncIterator[AsyncExport])
    assert_type(export.progress(), AsyncIterator[Update])
    assert_type(await export.download(), list[Path])
    assert_type(await offtake.limits(), Limits)


async def dialects(talkdesk: DialectClient, loop: AsyncDialectClient) -> None:
    """What the classes of the dialects return."""
    job = talkdesk.export("calls", last="7d", format="csv", options={"name": "weekly"}, target="calls")
    assert_type(job, DialectJob)
    assert_type(talkdesk.exports(report="calls"), Iterator[DialectJob])
    assert_type(job.progress(), Iterator[Update])
    assert_type(job.download(), list[Path])
    assert_type(await loop.find_export("id"), AsyncDialectJob)
    talkdesk.export("calls", columns=["call_id"])  # type: ignore[call-arg]
