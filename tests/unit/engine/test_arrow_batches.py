"""Arrow batches of a query: their sizes and types, and errors of the engine while they are streamed."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path

import pytest

from offtake.engine.duckdb import Session
from offtake.engine.locked_database import Limits
from offtake.errors import AttemptError, AttemptInterrupted, MemoryExhausted, QueryFailed, StorageUnavailable
from offtake.formats import FORMATS
from offtake.model.layout import Framing
from offtake.model.query import Query, RowTooWideError


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Session]:
    limits = Limits(threads=1, memory_mb=64, temp_folder=tmp_path / "temp", temp_mb=16)
    with Session(limits, [], tenant="acme", writable=(tmp_path / "staged",)) as opened:
        yield opened


def _query(sql: str) -> Query:
    return Query(sql=sql, values={}, columns=("a",))


@pytest.mark.parametrize(("rows", "sizes"), [(0, [0]), (1, [1]), (7, [3, 3, 1])])
def test_batches_have_the_requested_size_and_the_types_also_without_rows(
    session: Session, rows: int, sizes: list[int]
) -> None:
    query = _query(f"SELECT make_timestamptz(range) AS a FROM range({rows})")
    batches = list(session.batches(query, size=3))
    assert [batch.num_rows for batch in batches] == sizes
    assert {str(batch.schema.field("a").type) for batch in batches} == {"timestamp[us, tz=UTC]"}


# Rows that fail after the first batches.
_LATE = "SELECT CASE WHEN range < 5000 THEN range ELSE {failure} END AS a FROM range(10000)"


@pytest.mark.parametrize(
    ("sql", "raised"),
    [
        (_LATE.format(failure="error('odd')"), QueryFailed),
        (_LATE.format(failure="error('a row is wider than the fast writer accepts')"), RowTooWideError),
        ("SELECT list(range) AS a FROM range(100000000)", MemoryExhausted),
        ("SELECT a FROM read_parquet('/absent') AS t (a)", AttemptError),
    ],
)
def test_a_failure_of_the_query_is_the_error_of_other_formats(
    session: Session, sql: str, raised: type[Exception]
) -> None:
    with pytest.raises(raised) as caught:
        list(session.batches(_query(sql), size=2_048))
    assert not isinstance(caught.value, StorageUnavailable) or raised is AttemptError
    assert session.rows(_query("SELECT 1 AS a")) == [{"a": 1}]  # the session is not blocked by the stream


def test_an_interrupt_ends_the_stream(session: Session) -> None:
    batches = session.batches(_query("SELECT range AS a FROM range(100000000)"), size=2_048)
    next(batches)
    session.interrupt()
    with pytest.raises(AttemptInterrupted):
        list(batches)


def test_batches_that_are_not_read_do_not_block_the_session(session: Session) -> None:
    batches = session.batches(_query("SELECT range AS a FROM range(100000000)"), size=2_048)
    next(batches)
    del batches
    assert session.rows(_query("SELECT 1 AS a")) == [{"a": 1}]


@pytest.mark.parametrize("name", ["parquet", "arrow"])
def test_a_file_that_cannot_be_written_completely_is_an_error(session: Session, tmp_path: Path, name: str) -> None:
    """The full device stands in for a full disk."""
    (file_format,) = (each for each in FORMATS if each.name == name)
    path = tmp_path / "full"
    path.symlink_to("/dev/full")
    for writer in file_format.write_wide:
        with pytest.raises(OSError, match="No space left") as caught:
            writer(session, _query("SELECT range AS a FROM range(20000)"), path, framing=Framing())
        assert caught.value.errno == errno.ENOSPC
