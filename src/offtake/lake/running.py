"""Marks of running changes on this machine: files that a process holds locked until it ends, however it ends."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from offtake.errors import LakeError
from offtake.lake.file_lock import locked, try_lock

_SUFFIX = ".running"


@contextmanager
def marked_running(staging: Path, change_id: str) -> Iterator[None]:
    """Hold the mark of a change while the block runs. Raises LakeError if it cannot be created."""
    mark = _mark(staging, change_id)
    with ExitStack() as held:
        try:
            staging.mkdir(mode=0o700, parents=True, exist_ok=True)
            held.enter_context(locked(mark))
        except OSError as error:
            raise LakeError(f"{staging}: cannot be used: {error.strerror}.") from error
        held.callback(mark.unlink, missing_ok=True)
        yield


def is_running(staging: Path, change_id: str) -> bool | None:
    """Return whether a process of this machine runs the change; None if none of this machine ever began it."""
    try:
        with _mark(staging, change_id).open("r+") as mark:
            return not try_lock(mark)
    except FileNotFoundError:
        return None


def forget_ended(staging: Path, *, but: Collection[str]) -> None:
    """Remove the marks of changes whose process has ended, except those ``but`` names."""
    for mark in staging.glob(f"*{_SUFFIX}"):
        change_id = mark.name.removesuffix(_SUFFIX)
        if change_id not in but and is_running(staging, change_id) is False:
            mark.unlink(missing_ok=True)


def _mark(staging: Path, change_id: str) -> Path:
    return staging / f"{change_id}{_SUFFIX}"
