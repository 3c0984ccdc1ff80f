"""Reads tables of lakes in their newest version: Delta by delta-rs, which Offtake's own tables use, and Iceberg.

The engine's own extensions for both are downloaded when they are first used, which an installation without access to
the internet cannot do.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from deltalake import DeltaTable, QueryBuilder
from deltalake.exceptions import DeltaError

from offtake.errors import LakeError
from offtake.lake.ingest.inputs.input_file import InputFile
from offtake.lake.ingest.readers.batches import batch_source, numbered
from offtake.lake.ingest.readers.source import ReaderOptions, Source, SourceFormat
from offtake.lake.staging import Staging

_TABLE = "source"


def _open_delta(staging: Staging, file: InputFile, options: ReaderOptions) -> Source:
    del options
    import pyarrow as pa

    try:
        table = DeltaTable(file.url, storage_options=dict(file.url_options) or None)
        # DataFusion applies deletion vectors and the names of mapped columns.
        stream = QueryBuilder().register(_TABLE, table).execute(f"SELECT * FROM {_TABLE}")  # noqa: S608
        reader = pa.RecordBatchReader.from_stream(stream)
    except (DeltaError, OSError, ValueError) as error:
        raise _unreadable(file.name, "Delta", error) from error
    return batch_source(staging, file.name, DELTA, reader.schema, numbered(_batches(file.name, "Delta", reader)))


def _open_iceberg(staging: Staging, file: InputFile, options: ReaderOptions) -> Source:
    del options
    try:
        from pyiceberg.table import StaticTable
    except ImportError as error:
        raise LakeError(
            f"{file.name}: reading Iceberg tables needs a library; install it with: pip install 'offtake[iceberg]'."
        ) from error
    try:
        table = StaticTable.from_metadata(newest_metadata(Path(file.url)).as_uri())
        reader = table.scan().to_arrow_batch_reader()
    except LakeError:
        raise
    except Exception as error:  # the libraries have many classes of errors, and no common one
        raise _unreadable(file.name, "Iceberg", error) from error
    return batch_source(staging, file.name, ICEBERG, reader.schema, numbered(_batches(file.name, "Iceberg", reader)))


def newest_metadata(folder: Path) -> Path:
    """Return the metadata file of the table's newest version. Raises LakeError.

    Without a catalog, ``version-hint.text`` tells it, or the number at the beginning of the names: ``00002-….json`` and
    ``v2.metadata.json`` (https://iceberg.apache.org/spec/#file-system-tables).
    """
    files = {path: _version(path) for path in (folder / "metadata").glob("*.metadata.json")}
    newest = [path for path, version in files.items() if version == max(files.values())]
    if len(newest) != 1:
        raise LakeError(
            f"{folder}: {len(newest)} metadata files have the highest version; remove those of failed commits."
        )
    return newest[0].absolute()


def _version(path: Path) -> int:
    digits = path.name.removeprefix("v").split("-")[0].split(".")[0]
    return int(digits) if digits.isdigit() else -1


def _batches(name: str, label: str, reader: Any) -> Iterator[Any]:
    try:
        yield from reader
    except Exception as error:  # the libraries have many classes of errors, and no common one
        raise _unreadable(name, label, error) from error


def _unreadable(name: str, label: str, error: Exception) -> LakeError:
    text = (str(error).splitlines() or [type(error).__name__])[0]
    return LakeError(f"{name}: the {label} table cannot be read: {text}")


def is_delta(folder: Path) -> bool:
    """Return whether a folder is a Delta table."""
    return (folder / "_delta_log").is_dir()


def is_iceberg(folder: Path) -> bool:
    """Return whether a folder is an Iceberg table."""
    return any((folder / "metadata").glob("*.metadata.json"))


DELTA = SourceFormat(name="Delta", suffixes=(), open=_open_delta, has_lines=False)
ICEBERG = SourceFormat(name="Iceberg", suffixes=(), open=_open_iceberg, has_lines=False)
