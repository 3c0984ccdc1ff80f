"""A background thread ends with its block; an unexpected error does not end it earlier."""

from __future__ import annotations

import threading

import pytest
from structlog.testing import capture_logs

from offtake.executor import background
from offtake.executor.background import BackgroundThread


def test_a_defect_is_logged_without_its_text_and_does_not_end_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "_RESTART_SECONDS", 0.0)
    runs, second = [0], threading.Event()

    def run() -> None:
        runs[0] += 1
        if runs[0] == 1:
            raise ValueError("a row of rita@acme.example")
        second.set()

    with capture_logs() as lines, BackgroundThread("pulse", run):
        assert second.wait(60)
    (line,) = lines
    assert (line["event"], line["thread"], line["error_class"]) == ("thread_defect", "pulse", "ValueError")
    assert "rita" not in str(line)


def test_a_defect_at_the_end_of_the_block_ends_the_thread() -> None:
    began = threading.Event()

    class Failing(BackgroundThread):
        def __init__(self) -> None:
            super().__init__("failing", self._fail)

        def _fail(self) -> None:
            began.set()
            self._done.wait()
            raise ValueError

    with capture_logs(), Failing():
        assert began.wait(60)
    assert not [thread for thread in threading.enumerate() if thread.name == "failing"]
