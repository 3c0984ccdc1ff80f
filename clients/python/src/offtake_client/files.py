"""Small files of the client: written completely or not at all, and locks that end with their process."""

from __future__ import annotations

import errno
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from offtake_client.errors import DiskFull, InvalidTarget, TargetInUse

if sys.platform == "win32":  # pragma: no cover
    import msvcrt
else:
    import fcntl

_FULL = (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Raise DiskFull or InvalidTarget for what the system says about a file or its folder."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise DiskFull(
                f"There is no space left for {path}.", "Free some, then run the same command again: it goes on there."
            ) from error
        raise InvalidTarget(f"{path} cannot be written: {error.strerror}.", "Name another folder.") from error


def write_private(path: Path, content: bytes) -> None:
    """Write a file that appears complete, readable by its owner only. Raises OSError."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(name).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise


def write_json(path: Path, value: object) -> None:
    """Write a JSON file that appears complete. Raises OSError."""
    write_private(path, json.dumps(value, indent=1, ensure_ascii=False).encode())


def read_json(path: Path) -> dict[str, Any] | None:
    """Return the object of a JSON file; None if there is no such file or it has none."""
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def make_folder(path: Path) -> Path:
    """Create a folder for the files of exports. Raises InvalidTarget, DiskFull."""
    with disk_errors(path):
        path.mkdir(parents=True, exist_ok=True)
    return path


def flush_folder(path: Path) -> None:
    """Make the names in a folder durable, where the system can."""
    if sys.platform == "win32":  # pragma: no cover
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file while the block runs. The system releases it when the process ends. Raises TargetInUse."""
    descriptor = _acquire(path)
    try:
        yield
    finally:
        with suppress(OSError):
            path.unlink()
        os.close(descriptor)


def _acquire(path: Path) -> int:
    while True:
        with disk_errors(path):
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _lock(descriptor)
        except OSError as error:
            os.close(descriptor)
            raise TargetInUse(
                f"Another process downloads to {path.parent}.", "Wait until it has ended, or choose another folder."
            ) from error
        with suppress(FileNotFoundError):
            if path.stat().st_ino == os.fstat(descriptor).st_ino:
                return descriptor
        os.close(descriptor)  # the holder before removed the file after it was opened here


def _lock(descriptor: int) -> None:
    if sys.platform == "win32":  # pragma: no cover
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    else:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
