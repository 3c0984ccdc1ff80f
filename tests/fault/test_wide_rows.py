"""Rows as wide as the lake holds, through every format, with the memory of an attempt that the settings recommend."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest
import python_calamine
from deltalake import WriterProperties, write_deltalake

from offtake.app import build_services
from offtake.core.admin import identity
from offtake.core.attempt.cancellation import Cancellation
from offtake.core.attempt.resource_plan import partition_rows
from offtake.core.attempt.run import run_attempt
from offtake.core.exports.create import create_export
from offtake.core.services import Services
from offtake.formats import FORMATS
from offtake.formats.workbook.cells import TEXT_LIMIT
from offtake.home import Home
from offtake.lake.tables import tables
from offtake.model.artifact import Artifact
from offtake.model.tenant import Tenant
from offtake.settings import CatalogueSettings, Settings
from offtake.store import job_claims
from offtake.store.migrate import migrate
from tests.fixtures.columnar import COLUMNAR, read_columns
from tests.fixtures.exports import EXPORT, NOON, caller
from tests.fixtures.storage_paths import artifact_path

MEMORY_MB = 256
MIB = 1024 * 1024
ROW_GROUP = 122_880
REPORT = {
    "report.toml": """\
title = "Answers"
grain = "One row per post."
window = "happened_at"
key = ["post_id"]
tables = [{ table = "post", prune = "window" }, { table = "queue", prune = "all" }]
columns = [
    { name = "post_id", type = "id", mark = "proposed", nullable = false, meaning = "The post." },
    { name = "happened_at", type = "instant", mark = "proposed", nullable = false, meaning = "Its time." },
    { name = "queue_name", type = "text", mark = "proposed", nullable = true, meaning = "The name of its queue." },
    { name = "body", type = "text", mark = "proposed", nullable = true, meaning = "Its text." },
]
""",
    "query.sql": """\
SELECT post.post_id, post.happened_at, queue.name AS queue_name, post.body
FROM post LEFT JOIN queue ON queue.queue_id = post.author_id
WHERE post.happened_at >= $start AND post.happened_at < $end
""",
    "wire.talkdesk.toml": """\
slug = "answers"
title = "Answers"
columns = [
    { name = "post", from = "post_id", as = "text", mark = "proposed" },
    { name = "queue", from = "queue_name", as = "text", mark = "proposed" },
    { name = "text", from = "body", as = "text", mark = "proposed" },
]
""",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """Posts with bodies of about ``body`` bytes, and the length of their queue's name; a file has row groups."""

    posts: int
    body: int
    queue: int = 10
    row_group: int = ROW_GROUP


# By the name of the tenant that has such posts.
SHAPES = {
    "mails": Shape(posts=2_100, body=10_000),
    "long-mails": Shape(posts=150, body=250_000, row_group=64),
    "widest": Shape(posts=1, body=63 * MIB, row_group=1),
    "queue-of-33000-characters": Shape(posts=1_000, body=20, queue=33_000),
}
# Every character that JSON, CSV or XML escapes; its UTF-8 has 32 bytes.
UNIT = 'Line \\ "x"\r\n\t<b>&amp;</b> é 𝒜, z.'


def _text(number: int, length: int) -> str:
    return UNIT * (length // len(UNIT.encode())) + str(number)


@pytest.fixture(scope="module")
def on(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """Services whose lake holds the posts of all tenants, with two threads and the memory of the smallest attempt."""
    folder = tmp_path_factory.mktemp("wide")
    report = folder / "own" / "answers"
    report.mkdir(parents=True)
    for name, text in REPORT.items():
        (report / name).write_text(text)
    home = Home(folder / "home")
    home.create()
    services = build_services(home, Settings(catalogue=CatalogueSettings(folders=(str(report.parent),))))
    migrate(services.database)
    for tenant, shape in SHAPES.items():
        identity.add_tenant(Tenant(name=tenant), services)
        _store_posts(services, tenant, shape)
    yield replace(services, attempt=replace(services.attempt, threads=2, memory_mb=MEMORY_MB))
    services.database.close()


def _store_posts(on: Services, tenant: str, shape: Shape) -> None:
    posts = (
        "SELECT 'p' || n AS post_id, 'q' AS author_id, repeat($unit, $times) || n AS body, 'incoming' AS kind, "
        "$at AS happened_at, $tenant AS tenant, strftime($at, '%Y-%m') AS month FROM range($posts) AS numbered (n)"
    )
    queue = "SELECT 'q' AS queue_id, repeat($unit, $times) || 0 AS name, $tenant AS tenant"
    unit = {"unit": UNIT, "tenant": tenant}
    body = {**unit, "times": shape.body // len(UNIT.encode()), "at": NOON - timedelta(hours=1), "posts": shape.posts}
    _store(on, "post", posts, body, row_group=shape.row_group)
    _store(on, "queue", queue, {**unit, "times": shape.queue // len(UNIT.encode())})


def _store(on: Services, table: str, sql: str, values: dict[str, object], *, row_group: int = ROW_GROUP) -> None:
    """Store the rows of a query as the lake's writer does."""
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        write_deltalake(
            on.lake.create(tables()[table]),
            connection.sql(sql, params=values),
            mode="append",
            schema_mode="merge",
            writer_properties=WriterProperties(
                max_row_group_size=row_group, compression="SNAPPY", statistics_truncate_length=64
            ),
        )


def _export(on: Services, tenant: str, report: str, format_name: str, *, dialect: str = "talkdesk") -> Artifact:
    request = replace(EXPORT, dialect=dialect, report=report, format=format_name, row_limit=None)
    create_export(request, caller(tenant), on)
    now = on.clock()
    with on.database.write() as connection:
        lease = job_claims.claim(connection, worker="w", now=now, until=now + timedelta(minutes=1))
    assert lease is not None
    return run_attempt(lease, on, Cancellation())


@pytest.mark.parametrize("format_name", [file_format.name for file_format in FORMATS])
@pytest.mark.parametrize("tenant", SHAPES)
def test_wide_rows_are_exported_with_256_mib(on: Services, tenant: str, format_name: str) -> None:
    shape = SHAPES[tenant]
    artifact = _export(on, tenant, "answers", format_name)
    assert artifact.rows == shape.posts
    cut = TEXT_LIMIT if format_name == "xlsx" else None
    wanted = {
        f"p{n}": (_digest(_text(0, shape.queue), cut), _digest(_text(n, shape.body), cut)) for n in range(shape.posts)
    }
    found = {
        post: (_digest(queue, cut), _digest(text, cut))
        for post, queue, text in map(dict.values, _rows(artifact_path(on, artifact.key), format_name))
    }
    assert found == wanted


@dataclass(frozen=True, slots=True, kw_only=True)
class Sorted:
    """A sorted export with a long text in each row, and its headers of the row's id and of that text."""

    dialect: str
    report: str
    format: str
    headers: tuple[str, str]


SORTED = (
    Sorted(dialect="loop", report="inbox_conversations", format="json", headers=("conversationId", "subject")),
    Sorted(dialect="loop", report="inbox_conversations", format="xlsx", headers=("Conversation ID", "Subject")),
    Sorted(dialect="khoros", report="combined", format="csv", headers=("Post ID", "Post Text")),
    Sorted(dialect="khoros", report="conversation_history_action", format="json", headers=("ACTION_ID", "NEW_VALUE")),
)
SORTED_TENANT, SORTED_ROWS = "sorted-megabytes", 100
SORTED_TABLES = {
    "conversation": "SELECT id AS conversation_id, $at AS created_at, 'open' AS status, 'inbound' AS direction, "
    "long AS subject, 'i' AS inbox_id",
    "post": "SELECT id AS post_id, id AS conversation_id, 'incoming' AS kind, $at AS happened_at, long AS body",
    "conversation_action": "SELECT id AS action_id, id AS conversation_id, $at AS happened_at, 'NOTE_ADDED' AS kind, "
    "'AGENT' AS actor, long AS new_value",
}


@pytest.fixture(scope="module")
def on_128_mib(on: Services) -> Services:
    """Services with the least memory of the settings, and a tenant whose rows exceed it together."""
    for name, sql in SORTED_TABLES.items():
        rows = (
            f"{sql}, $tenant AS tenant, strftime($at, '%Y-%m') AS month "
            "FROM (SELECT printf('r%03d', n) AS id, repeat($unit, $times) || n AS long FROM range($rows) AS r (n))"
        )
        at = NOON - timedelta(hours=1)
        times = MIB // len(UNIT.encode())
        values = {"at": at, "tenant": SORTED_TENANT, "unit": UNIT, "times": times, "rows": SORTED_ROWS}
        _store(on, name, rows, values, row_group=8)
    inbox = "SELECT 'i' AS inbox_id, 'Support' AS name, true AS is_shared, $tenant AS tenant"
    _store(on, "inbox", inbox, {"tenant": SORTED_TENANT})
    identity.add_tenant(Tenant(name=SORTED_TENANT), on)
    return replace(on, attempt=replace(on.attempt, threads=1, memory_mb=128, partition_rows=partition_rows(128)))


@pytest.mark.parametrize("export", SORTED, ids=lambda export: f"{export.report}-{export.format}")
def test_sorted_rows_of_a_megabyte_are_exported_with_128_mib(on_128_mib: Services, export: Sorted) -> None:
    """Few rows are divided into partitions, too, because they are long."""
    artifact = _export(on_128_mib, SORTED_TENANT, export.report, export.format, dialect=export.dialect)
    cut = TEXT_LIMIT if export.format == "xlsx" else None
    key, text = export.headers
    rows = _rows(artifact_path(on_128_mib, artifact.key), export.format)
    found = [(row[key], _digest(row[text], cut)) for row in rows]
    assert found == [(f"r{n:03}", _digest(_text(n, MIB), cut)) for n in range(SORTED_ROWS)]


def test_a_queue_name_of_33000_characters_fits_into_adherence(on: Services) -> None:
    """The report shows the names of queues as a list, once per period of an agent."""
    tenant, periods = "queue-of-33000-characters", 1_000
    events = (
        "SELECT 'a' AS agent_id, $at + to_microseconds(n) AS started_at, $at + to_seconds(60) AS ended_at, "
        "['q'] AS queue_ids, true AS is_aligned, $tenant AS tenant, strftime($at, '%Y-%m') AS month "
        "FROM range($periods) AS numbered (n)"
    )
    _store(on, "adherence_event", events, {"at": NOON - timedelta(hours=1), "tenant": tenant, "periods": periods})
    for format_name in ("csv", "json_lines"):
        artifact = _export(on, tenant, "adherence", format_name)
        assert artifact.rows == periods
        names = {list(row.values())[2] for row in _rows(artifact_path(on, artifact.key), format_name)}
        assert [json.loads(name) for name in names] == [[_text(0, SHAPES[tenant].queue)]]


def _digest(text: str, cut: int | None) -> str:
    """A short stand-in for a text; of a text that a workbook truncates, that of its beginning."""
    start = text if cut is None or len(text) <= cut * 3 // 4 else text[: cut // 2]
    return hashlib.sha256(start.encode()).hexdigest()


def _rows(path: Path, format_name: str) -> Iterator[dict[str, str]]:
    """The rows by header."""
    if format_name == "xlsx":
        header, *rows = python_calamine.CalamineWorkbook.from_path(str(path)).get_sheet_by_name("Export").to_python()
        yield from (dict(zip(map(str, header), map(str, row), strict=True)) for row in rows)
        return
    if format_name in COLUMNAR:
        yield from read_columns(format_name, path.read_bytes()).to_pylist()
        return
    text = path.read_bytes().decode()
    if format_name == "csv":
        csv.field_size_limit(2**31 - 1)
        yield from csv.DictReader(io.StringIO(text, newline=""), strict=True)
        return
    if format_name == "json_lines":
        yield from map(json.loads, text.splitlines())
        return
    document = json.loads(text)
    yield from document["entries"] if isinstance(document, dict) else document
