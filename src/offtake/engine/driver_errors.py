"""Errors of the driver as errors of an attempt."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

from offtake.engine import wide_rows
from offtake.errors import (
    AttemptError,
    AttemptInterrupted,
    MemoryExhausted,
    QueryFailed,
    ResourceExhausted,
    StorageUnavailable,
)
from offtake.model.query import RowTooWideError

# The first matching row applies. Messages of the driver may quote rows, so these name only the kind of the failure.
_ERRORS: tuple[tuple[type[duckdb.Error], type[AttemptError], str], ...] = (
    (duckdb.InterruptException, AttemptInterrupted, "The query was interrupted."),
    (duckdb.OutOfMemoryException, MemoryExhausted, "The query needs more memory than its limit allows."),
    (duckdb.IOException, StorageUnavailable, "A file of the lake or the staging folder cannot be read or written."),
    (duckdb.HTTPException, StorageUnavailable, "The lake's storage did not answer."),
    (duckdb.Error, QueryFailed, "The report's query failed."),
)
_DISK_FULL_TEXTS = ("No space left", "Disk quota")
_TEMPORARY_SPACE_TEXT = "max_temp_directory_size"


@contextmanager
def translate_errors() -> Iterator[None]:
    """Raise an AttemptError in place of an error of the driver, which becomes its cause."""
    try:
        yield
    except duckdb.Error as error:
        if wide_rows.is_too_wide(error):
            raise RowTooWideError from None
        if any(text in str(error) for text in _DISK_FULL_TEXTS):
            raise ResourceExhausted("There is no space left to write to.") from error
        if _TEMPORARY_SPACE_TEXT in str(error):
            message = "The query needs more temporary space than its limit allows."
            raise MemoryExhausted(message, is_temporary_space=True) from error
        error_class, message = next(
            (error_class, message) for caught, error_class, message in _ERRORS if isinstance(error, caught)
        )
        raise error_class(message) from error
