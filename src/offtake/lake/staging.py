"""The private folder in which a load stages rows, with a temporary DuckDB database.

Each load has a folder of its own, which is removed when it ends. The folder of a killed load is removed by the next
load, or by ``sweep_staging``: its lock is free.
"""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import duckdb

from offtake.errors import LakeError
from offtake.lake.engine_path import opened_folder
from offtake.lake.file_lock import locked, try_lock

MEMORY_BYTES = 512 * 1024 * 1024  # of the engine, for one load
_SETTINGS: dict[str, str | int | float | list[str]] = {
    "memory_limit": f"{MEMORY_BYTES // 1024}KiB",
    "threads": 2,
    "preserve_insertion_order": "true",  # rows get their line numbers by their order
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}


@dataclass(frozen=True, slots=True)
class Staging:
    """A folder for the files of one load, and its database, which is on disk and spills into the folder.

    The engine opens the files by ``engine_path``: the folder's own path never reaches it, because DuckDB expands
    patterns such as ``[1]`` in paths.
    """

    folder: Path
    connection: duckdb.DuckDBPyConnection
    engine_folder: str

    def path(self, name: str) -> Path:
        """Return the path of a file in the folder."""
        return self.folder / name

    def engine_path(self, name: str) -> str:
        """Return the path by which DuckDB opens the file; it contains no character that DuckDB interprets."""
        return f"{self.engine_folder}/{name}"


@contextmanager
def staging(parent: Path) -> Iterator[Staging]:
    """Yield a new folder in ``parent``, which is created if missing; both are accessible to the owner only.

    Raises LakeError if the folder cannot be created.
    """
    with _private_folder(parent) as folder, opened_folder(folder) as opened:
        engine_folder = str(opened)
        # On disk, not in memory: DuckDB compresses the rows, and a sort can use all memory.
        connection = duckdb.connect(
            f"{engine_folder}/staging.duckdb", config={**_SETTINGS, "temp_directory": engine_folder}
        )
        try:
            connection.execute("SET TimeZone = 'UTC'")
            yield Staging(folder, connection, engine_folder)
        finally:
            connection.close()


@contextmanager
def statistics_ignored(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Let the engine read all rows of Parquet files while the block runs, whatever their statistics say.

    The engine takes the statistics of a file for true: with wrong ones, it would skip rows and misjudge conditions.
    """
    connection.execute("SET disabled_optimizers = 'statistics_propagation,filter_pushdown'")
    try:
        yield
    finally:
        connection.execute("RESET disabled_optimizers")


def sweep_staging(parent: Path, *, only_count: bool = False) -> int:
    """Remove the folders that killed loads left in ``parent``, and return their number. Raises LakeError."""
    if not parent.is_dir():
        return 0
    try:
        with locked(parent / "lock"):
            return sum(1 for _ in _abandoned(parent)) if only_count else _remove_abandoned(parent)
    except OSError as error:
        raise LakeError(f"{parent}: cannot be swept: {error.strerror}.") from error


@contextmanager
def _private_folder(parent: Path) -> Iterator[Path]:
    """Yield a new folder. Its lock is held until the block ends: without a lock, a folder counts as abandoned."""
    folder = parent / uuid.uuid4().hex
    with ExitStack() as held:
        try:
            parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            parent.chmod(0o700)
            with locked(parent / "lock"):
                _remove_abandoned(parent)
                held.enter_context(locked(_lock_file(folder)))
                folder.mkdir(mode=0o700)
        except OSError as error:
            raise LakeError(f"{parent}: rows cannot be staged there: {error.strerror}.") from error
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            _lock_file(folder).unlink(missing_ok=True)


def _remove_abandoned(parent: Path) -> int:
    removed = 0
    for folder in _abandoned(parent):
        shutil.rmtree(folder, ignore_errors=True)
        _lock_file(folder).unlink(missing_ok=True)
        removed += 1
    return removed


def _abandoned(parent: Path) -> Iterator[Path]:
    """Yield the folder of each killed load, and hold its lock until the next one."""
    for lock_file in parent.glob("*.lock"):
        with suppress(FileNotFoundError), lock_file.open("r+") as lock:
            if try_lock(lock):
                yield lock_file.with_suffix("")


def _lock_file(folder: Path) -> Path:
    return folder.with_suffix(".lock")
