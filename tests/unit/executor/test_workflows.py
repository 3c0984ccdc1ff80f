"""Recorded workflow histories replay with the current workflows: an incompatible change fails here.

A history is what a real server recorded, as ``temporal workflow show -w ID --output json`` prints it. A new release of
the workflows adds histories and keeps the old ones, until none that began before can be running any more.
"""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from pathlib import Path

import pytest
from temporalio import workflow
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer

from offtake.executor.temporal.workflows import ATTEMPT, EXPORT, Export, ExportInput

HISTORIES = sorted((Path(__file__).parent / "histories").glob("*.json"))


@workflow.defn(name=EXPORT)
class Changed:
    """An incompatible change of ``Export``: another step before the attempt."""

    @workflow.run
    async def run(self, export: ExportInput) -> str:
        """Waits, then runs the workflow."""
        await asyncio.sleep(1)
        done: str = await workflow.execute_activity(
            ATTEMPT, export.job, result_type=str, start_to_close_timeout=timedelta(days=30)
        )
        return done


def history(file: Path) -> WorkflowHistory:
    return WorkflowHistory.from_json("recorded", file.read_text("utf-8"))


@pytest.mark.parametrize("file", HISTORIES, ids=lambda file: file.stem)
def test_a_recorded_history_replays(file: Path) -> None:
    asyncio.run(Replayer(workflows=[Export]).replay_workflow(history(file)))


def test_the_histories_contain_every_outcome() -> None:
    ends = {
        json.loads(file.read_text("utf-8"))["events"][-1]["eventType"].removeprefix("EVENT_TYPE_WORKFLOW_")
        for file in HISTORIES
    }
    assert ends >= {"EXECUTION_COMPLETED", "EXECUTION_CANCELED"}
    assert {file.stem.partition("-")[0] for file in HISTORIES} == {"export"}


def test_an_incompatible_change_of_a_workflow_is_detected() -> None:
    (done,) = (file for file in HISTORIES if file.stem == "export-succeeded")
    with pytest.raises(workflow.NondeterminismError):
        asyncio.run(Replayer(workflows=[Changed]).replay_workflow(history(done)))
