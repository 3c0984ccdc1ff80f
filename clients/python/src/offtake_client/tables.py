"""Reads the files of an export as tables. The libraries are imported when they are asked for."""

from __future__ import annotations

import importlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from offtake_client.download.export_files import ExportFiles, download_files
from offtake_client.download.manifests import fetch_manifest
from offtake_client.download.verify import matches
from offtake_client.effects import Emit, Flow, Offload
from offtake_client.errors import MissingLibrary, UnknownOption
from offtake_client.exports import ExportHandle, wait

if TYPE_CHECKING:
    import duckdb
    import pandas
    import polars
    import pyarrow

_READABLE = ("parquet", "arrow")
_BATCH_ROWS = 65_536


def to_arrow(handle: ExportHandle) -> Flow[pyarrow.Table]:
    """Return the rows as a table of pyarrow. Files that were downloaded are read, others are downloaded for it."""
    arrow = _library("pyarrow", "arrow")
    return (yield from _read(handle, lambda paths: arrow.concat_tables([_table(handle, path) for path in paths])))


def to_polars(handle: ExportHandle) -> Flow[polars.DataFrame]:
    """Return the rows as a data frame of polars."""
    library = _library("polars", "polars")
    frame: polars.DataFrame = library.from_arrow((yield from to_arrow(handle)))
    return frame


def to_pandas(handle: ExportHandle) -> Flow[pandas.DataFrame]:
    """Return the rows as a data frame of pandas.

    Integers and booleans have pandas' types with nulls: as floats, large integers of a column with nulls would change.
    """
    library, arrow = _library("pandas", "pandas"), _library("pyarrow", "pandas")
    table = yield from to_arrow(handle)
    types = {arrow.bool_(): library.BooleanDtype()}
    for bits in ("8", "16", "32", "64"):
        types |= {getattr(arrow, f"int{bits}")(): getattr(library, f"Int{bits}Dtype")()}
        types |= {getattr(arrow, f"uint{bits}")(): getattr(library, f"UInt{bits}Dtype")()}
    frame: pandas.DataFrame = table.to_pandas(types_mapper=types.get)
    return frame


def to_duckdb(
    handle: ExportHandle, connection: duckdb.DuckDBPyConnection | None = None
) -> Flow[duckdb.DuckDBPyRelation]:
    """Return the rows as a relation of DuckDB, in the connection or in one of its own."""
    duckdb = _library("duckdb", "duckdb")
    table = yield from to_arrow(handle)
    return (connection or duckdb.connect()).from_arrow(table)


def iter_batches(handle: ExportHandle, *, rows: int = _BATCH_ROWS) -> Flow[None]:
    """Iterate over record batches of at most so many rows, in the order of the files, without reading them whole."""
    _library("pyarrow", "arrow")
    _require_readable(handle)
    yield from wait(handle)
    with _folder(handle) as (folder, is_temporary):
        paths = yield from _paths(handle, folder, is_temporary)
        for path in paths:
            batches = _batches(handle, path, rows)
            while (batch := (yield Offload(lambda batches=batches: next(batches, None)))) is not None:  # type: ignore[misc]
                yield Emit(batch)


def _read(handle: ExportHandle, read: Any) -> Flow[Any]:
    _require_readable(handle)
    yield from wait(handle)
    with _folder(handle) as (folder, is_temporary):
        paths = yield from _paths(handle, folder, is_temporary)
        return (yield Offload(lambda: read(paths)))


@contextmanager
def _folder(handle: ExportHandle) -> Iterator[tuple[Path, bool]]:
    """The folder of the export's files, or one that is removed afterwards; whether it is the latter."""
    if handle.target is not None:
        yield handle.target, False
        return
    with tempfile.TemporaryDirectory(prefix="offtake-client-") as folder:
        yield Path(folder), True


def _paths(handle: ExportHandle, folder: Path, is_temporary: bool) -> Flow[list[Path]]:
    """Return the complete files, which are downloaded if they are missing."""
    if not is_temporary:
        stored = yield from fetch_manifest(handle.session, handle.id)
        found = [(folder / file.name, file) for file in stored.manifest.files]
        if (yield Offload(lambda: all(matches(path, file) for path, file in found))):
            return [path for path, _ in found]
    return (yield from download_files(handle.session, ExportFiles(handle.session, handle.id), folder))


def _table(handle: ExportHandle, path: Path) -> Any:
    """Return a file as a table in memory: the file may be removed afterwards."""
    if handle.info.format == "parquet":
        return importlib.import_module("pyarrow.parquet").ParquetFile(path).read()
    with path.open("rb") as file:
        return importlib.import_module("pyarrow.ipc").open_file(file).read_all()


def _batches(handle: ExportHandle, path: Path, rows: int) -> Iterator[Any]:
    if handle.info.format == "parquet":
        with importlib.import_module("pyarrow.parquet").ParquetFile(path) as file:
            yield from file.iter_batches(batch_size=rows)
        return
    with path.open("rb") as content:
        file = importlib.import_module("pyarrow.ipc").open_file(content)
        for number in range(file.num_record_batches):
            batch = file.get_batch(number)
            for begin in range(0, batch.num_rows, rows):
                yield batch.slice(begin, rows)


def _require_readable(handle: ExportHandle) -> None:
    if handle.info.format not in _READABLE:
        raise UnknownOption(
            f"The files of the export are {handle.info.format}, whose values have no types.",
            f"Create it with format={' or '.join(map(repr, _READABLE))}, or download the files and read them yourself.",
        )


def _library(name: str, extra: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingLibrary(
            f"This needs the library {name}.", f"Install it: pip install 'offtake-client[{extra}]'."
        ) from error
