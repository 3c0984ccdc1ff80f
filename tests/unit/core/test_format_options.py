"""The compression and the options of a request's format: accepted, stored, and applied by the attempt."""

from __future__ import annotations

import csv
import gzip
import io
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet
from sqlalchemy import select, update

from offtake.core.attempt.cancellation import Cancellation
from offtake.core.attempt.compression_stage import written_file
from offtake.core.attempt.run import run_attempt
from offtake.core.exports.create import create_export
from offtake.core.exports.download import file_name
from offtake.core.services import Services
from offtake.errors import InvalidRequest, RowLimitExceeded
from offtake.formats import FORMATS, format_named, format_of, partition_file
from offtake.formats.arrow import ARROW
from offtake.formats.csv import CSV
from offtake.formats.json import JSON, JSON_LINES
from offtake.formats.parquet import PARQUET
from offtake.model.format_options import Compression, CsvOptions
from offtake.model.job import Lease
from offtake.model.layout import Framing
from offtake.model.request import ExportRequest
from offtake.store import job_claims, job_queries
from offtake.store.schema import job as job_table
from tests.fixtures.columnar import COLUMNAR, read_columns
from tests.fixtures.exports import EXPORT, NOON, caller
from tests.fixtures.storage_paths import artifact_path
from tests.fixtures.taggings import FOLDER, tagging_services

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

TAGGINGS = 40
FILES = {
    "report.toml": FOLDER["report.toml"].removesuffix("]\n")
    + """\
    { name = "share", type = "decimal", mark = "proposed", nullable = false, meaning = "A half." },
    { name = "note", type = "text", mark = "proposed", meaning = "Empty, or null for t0." },
]
""",
    "query.sql": FOLDER["query.sql"].replace(
        "FROM", ", CAST(0.5 AS DOUBLE) AS share, CASE WHEN tag_id <> 't0' THEN '' END AS note FROM"
    ),
}
AT = NOON - timedelta(hours=1)
ROWS = {f"t{number}": (AT, 0.5, None if number == 0 else "") for number in range(TAGGINGS)}


@pytest.fixture(scope="module")
def on(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """Services with a report of 40 rows, which no vendor publishes, and attempts of several partitions."""
    services = tagging_services(tmp_path_factory.mktemp("taggings"), rows=TAGGINGS, files=FILES)
    yield replace(services, attempt=replace(services.attempt, partition_rows=9))
    services.database.close()


def _request(**changes: Any) -> ExportRequest:
    return replace(EXPORT, dialect="native", report="taggings", row_limit=None, **changes)


def _leased(request: ExportRequest, on: Services) -> Lease:
    job, now = create_export(request, caller(), on), on.clock()
    while True:  # other tests leave queued jobs
        with on.database.write() as connection:
            lease = job_claims.claim(connection, worker="w", now=now, until=now + timedelta(minutes=1))
        assert lease is not None
        if lease.job.id == job.id:
            return lease


def _exported(request: ExportRequest, on: Services) -> bytes:
    lease = _leased(request, on)
    artifact = run_attempt(lease, on, Cancellation())
    path = artifact_path(on, artifact.key)
    assert artifact.rows == TAGGINGS
    assert path.name.endswith(f".{format_of(request).suffix}")
    assert file_name(lease.job).endswith(f".{format_of(request).suffix}")
    assert [each for each in on.artifacts.found() if each.staged] == []
    return path.read_bytes()


_CHOICES = [
    pytest.param(file_format.name, compression, id=f"{file_format.name}-{compression}")
    for file_format in FORMATS
    if file_format.name in ("csv", "json_lines", *COLUMNAR)
    for compression in file_format.compressions
]


@pytest.mark.parametrize(("name", "compression"), _CHOICES)
def test_a_file_has_the_compression_that_was_asked_for(name: str, compression: Compression, on: Services) -> None:
    data = _exported(_request(format=name, compression=compression), on)
    if name in COLUMNAR:
        found = read_columns(name, data).to_pylist()
        assert {row["tag_id"]: (row["attached_at"], row["share"], row["note"]) for row in found} == ROWS
        if name == "parquet":
            codec = parquet.read_metadata(io.BytesIO(data)).row_group(0).column(0).compression
            assert codec == {"none": "UNCOMPRESSED", "gzip": "GZIP", "zstd": "ZSTD"}[compression]
        else:
            assert (b"\x28\xb5\x2f\xfd" in data) == (compression is Compression.ZSTD)  # its frames begin with it
        return
    expand: dict[str, Callable[[bytes], bytes]] = {"none": bytes, "gzip": gzip.decompress, "zstd": zstd.decompress}
    text = expand[compression](data).decode()
    lines = csv.DictReader(io.StringIO(text, newline="")) if name == "csv" else map(json.loads, text.splitlines())
    assert {row["tag_id"]: row["attached_at"] for row in lines} == dict.fromkeys(ROWS, "2026-03-01T11:00:00.000000Z")


def test_csv_is_written_with_the_options_of_the_request(on: Services) -> None:
    options = CsvOptions(delimiter=";", quote="'", bom=True, null="NULL", line_end="\n", decimal_mark=",")
    data = _exported(_request(format="csv", format_options=options, compression=Compression.GZIP), on)
    header, *lines = gzip.decompress(data).decode().removesuffix("\n").split("\n")
    assert header == "\ufefftag_id;attached_at;share;note"
    at = "2026-03-01T11:00:00.000000Z"
    assert sorted(lines) == sorted(f"{tag};{at};0,5;{'NULL' if tag == 't0' else ''}" for tag in ROWS)


def test_csv_distinguishes_null_from_empty_text_by_default(on: Services) -> None:
    _, *lines = _exported(_request(format="csv"), on).decode().removesuffix("\r\n").split("\r\n")
    at = "2026-03-01T11:00:00.000000Z"
    assert sorted(lines) == sorted(f"{tag},{at},0.5," + ("" if tag == "t0" else '""') for tag in ROWS)


@pytest.mark.parametrize("name", COLUMNAR)
def test_a_row_limit_applies_to_files_that_are_counted_at_their_end(name: str, on: Services) -> None:
    request = replace(_request(format=name), row_limit=TAGGINGS - 1)
    lease = _leased(request, on)
    with pytest.raises(RowLimitExceeded):
        run_attempt(lease, on, Cancellation())
    assert [each for each in on.artifacts.found() if each.job == lease.job.id] == []


def test_the_options_of_a_format_are_stored_with_the_job(on: Services) -> None:
    request = _request(
        format="csv", compression=Compression.ZSTD, format_options=CsvOptions(delimiter="\t", header=False)
    )
    job = create_export(request, caller(), on)
    with on.database.read() as connection:
        found = job_queries.get(connection, job.id)
        stored = connection.execute(select(job_table.c.request).where(job_table.c.id == job.id)).scalar_one()
    assert found == job
    assert job.request == replace(request, as_of=job.request.as_of)
    assert stored["format_options"] == {"delimiter": "\t", "header": False}


@pytest.mark.parametrize(("field", "value"), [("compression", "lz5"), ("format_options", {"quoting": "all"})])
def test_an_option_of_a_newer_release_is_not_ignored(field: str, value: object, on: Services) -> None:
    job = create_export(_request(format="csv"), caller(), on)
    with on.database.write() as connection:
        stored = connection.execute(select(job_table.c.request).where(job_table.c.id == job.id)).scalar_one()
        connection.execute(update(job_table).where(job_table.c.id == job.id).values(request={**stored, field: value}))
        found = job_queries.get(connection, job.id)
    assert found is not None
    assert found.request.unknown == (field,)


@pytest.mark.parametrize(
    ("changes", "field", "said"),
    [
        ({"format": "parket"}, "format", "did you mean 'parquet'? accepted are csv, json, json_lines, xlsx, parquet"),
        ({"format": "arrow", "compression": Compression.GZIP}, "compression", "arrow has no gzip; use none, zstd"),
        ({"format": "xlsx", "compression": Compression.ZSTD}, "compression", "xlsx has no zstd; use none"),
        ({"format": "parquet", "format_options": CsvOptions()}, "csv", "applies to the format csv"),
    ],
)
def test_a_format_without_an_option_refuses_it(changes: dict[str, Any], field: str, said: str, on: Services) -> None:
    with pytest.raises(InvalidRequest) as caught:
        create_export(_request(**changes), caller(), on)
    (fault,) = caught.value.fields
    assert fault.name == field
    assert said in fault.description


def test_discarding_an_attempt_removes_the_file_that_is_compressed(on: Services) -> None:
    file_format = format_named("csv", Compression.GZIP)
    staged = on.artifacts.staging("job", 1, file_format.suffix)
    plain = written_file(staged, file_format)
    for path in (staged, plain, partition_file(plain)):
        path.write_text("x")
    on.artifacts.discard("job", 1)
    assert list(staged.parent.iterdir()) == []


@pytest.mark.parametrize("compression", [Compression.GZIP, Compression.ZSTD])
@pytest.mark.parametrize("name", [CSV.name, JSON.name, JSON_LINES.name])
def test_a_compressed_file_counts_only_if_it_is_whole(name: str, compression: Compression, tmp_path: Path) -> None:
    rows = {"csv": b"a\n1\n2\n", "json": b"[\n1,\n2\n]\n", "json_lines": b"1\n2\n"}[name]
    data = gzip.compress(rows) if compression is Compression.GZIP else zstd.compress(rows, options=_CHECKED)
    damaged = bytes((*data[:-1], data[-1] ^ 1))

    def count(*chunks: bytes) -> int:
        counter = format_named(name, compression).counter(Framing(csv=CsvOptions(line_end="\n")), tmp_path)
        for chunk in chunks:
            counter.feed(chunk)
        return counter.records()

    assert count(data) == count(*(data[n : n + 1] for n in range(len(data)))) == 2
    for chunks in ([data[:-1]], [b""], [data, b"x"], [data + data], [damaged], [rows]):
        with pytest.raises(ValueError, match="the compressed stream is damaged or incomplete"):
            count(*chunks)


_CHECKED = {int(zstd.CompressionParameter.checksum_flag): 1}


@pytest.mark.parametrize("file_format", [PARQUET, ARROW], ids=lambda file_format: file_format.name)
def test_a_damaged_end_of_a_file_is_refused(file_format: Any, on: Services) -> None:
    data = _exported(_request(format=file_format.name), on)
    path = on.artifacts.root / "damaged"
    for changed in (data[:-1], data[:-8] + b"\0\0\0\0" + data[-4:], data + b"x", b"X" + data[1:]):
        path.write_bytes(changed)
        counter = file_format.counter(Framing(), path)
        counter.feed(changed)
        with pytest.raises(ValueError, match="file"):
            counter.records()
