"""Rows as Arrow batches: errors of the engine that pass through Arrow's stream, and a batch without rows.

pyarrow is imported only by an attempt that uses it, because it takes about 50 MB of memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import duckdb

from offtake.engine.driver_errors import translate_errors

if TYPE_CHECKING:
    import pyarrow as pa

# The stream passes on only the text of an error, which begins with its class.
_CLASSES: dict[str, type[duckdb.Error]] = {
    "INTERRUPT Error": duckdb.InterruptException,
    "Out of Memory Error": duckdb.OutOfMemoryException,
    "IO Error": duckdb.IOException,
    "HTTP Error": duckdb.HTTPException,
}


def read(reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    """Yield the batches of a query, or an empty one if it has none. Raises the engine's errors as an AttemptError."""
    try:
        is_empty = True
        while True:
            with translate_errors(), _errors_of_the_engine():
                batch = next(reader, None)
            if batch is None:
                break
            is_empty = False
            yield batch
        if is_empty:
            yield _empty_batch(reader.schema)
    finally:
        reader.close()  # before the connection's next statement


@contextmanager
def _errors_of_the_engine() -> Iterator[None]:
    """Raise the engine's error in place of the one of Arrow's stream, whose next batch is read in the block."""
    import pyarrow as pa

    try:
        yield
    except (OSError, pa.ArrowException) as error:
        text = str(error)
        found = next((found for start, found in _CLASSES.items() if text.startswith(start)), duckdb.Error)
        raise found(text) from error


def _empty_batch(schema: pa.Schema) -> pa.RecordBatch:
    """Return a batch without rows."""
    import pyarrow as pa

    return pa.RecordBatch.from_pylist([], schema=schema)
