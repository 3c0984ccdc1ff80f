"""Object storage that refuses, hangs, resets or truncates: a job's state is right, and it continues after the fault.

A proxy between the product and the server injects the faults. No test depends on time: each waits until a request has
met the fault, or for a state.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from itertools import count
from pathlib import Path

import httpx
import obstore
import pytest

from offtake.artifacts.bucket import BucketArtifacts
from offtake.errors import StorageUnavailable
from offtake.lake.delta import Lake
from offtake.lake.ingest.load import load
from offtake.lake.snapshot import snapshot
from offtake.lake.storage import BucketTableStorage
from offtake.lake.tables import tables
from offtake.model.job import Job
from offtake.model.report import Prune, TableUse
from offtake.objects.bucket import Bucket
from offtake.objects.multipart_uploads import list_multipart_uploads
from offtake.store import job_queries
from tests.fixtures.buckets import S3Server
from tests.fixtures.http_proxy import Fault, HttpProxy, http_proxy
from tests.fixtures.installation import Installation, Running
from tests.fixtures.maintenance import maintain
from tests.fixtures.polling import wait_for
from tests.fixtures.talkdesk import TalkdeskWire

HOUR = timedelta(hours=1)
JOB = "0" * 36
CONTENT = os.urandom(9 * 1024 * 1024)  # read in three requests
LARGE = 40 * 1024 * 1024
BROKEN = (Fault.REFUSE, Fault.RESET, Fault.SHORT)
START, SOON, END = "2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z", "2026-03-15T00:00:00Z"
PATIENT = """
[worker]
attempts = 50
retry_seconds = 0.05
heartbeat_seconds = 0.2
lease_seconds = 1.0
drain_seconds = 0
"""
BRIEF = PATIENT.replace("attempts = 50", "attempts = 2") + "[maintenance]\nsweep_seconds = 1\n"
TEAM = tables()["team"]


@pytest.fixture
def between(moto: S3Server) -> Iterator[HttpProxy]:
    """A healthy proxy in front of moto."""
    with http_proxy(moto.url) as made:
        yield made


@pytest.fixture
def bucket(moto: S3Server, between: HttpProxy) -> Bucket:
    """A bucket behind the proxy, with a client of short timeouts."""
    return moto.bucket(moto.fresh_bucket(), endpoint=between.url, retries=0, retry_seconds=1.0)


@pytest.fixture
def store(bucket: Bucket, tmp_path: Path) -> BucketArtifacts:
    """An artifact store in it."""
    made = BucketArtifacts(tmp_path / "artifacts", bucket)
    made.prepare()
    return made


def kept(store: BucketArtifacts, content: bytes, fence: int = 1) -> str:
    staged, key = store.staging(JOB, fence, "csv"), store.key("acme", JOB, fence, "csv")
    staged.write_bytes(content)
    store.keep(staged, key, lambda: None)
    return key


def collect(chunks: Iterator[bytes], into: bytearray) -> None:
    """Append the blocks that arrive before an error."""
    for chunk in chunks:
        into += chunk


def meant(method: str, *words: str) -> Callable[[str], bool]:
    """Match requests of that method whose first line contains all these words."""
    return lambda line: line.startswith(method) and all(word in line for word in words)


@pytest.mark.parametrize(
    ("method", "size"), [("PUT", 1000), ("HEAD", 1000), ("PUT", LARGE), ("HEAD", LARGE), ("POST", LARGE)]
)
def test_an_upload_that_breaks_is_an_error_and_can_be_repeated(
    store: BucketArtifacts, between: HttpProxy, method: str, size: int
) -> None:
    between.inject(Fault.REFUSE, meant(method))
    with pytest.raises(StorageUnavailable):
        kept(store, bytes(size))
    assert between.triggered()
    between.clear()
    key = kept(store, bytes(size), fence=2)
    assert store.size(key) == size
    for file in store.found():
        if file.key != key:
            file.remove()
    assert [file.key for file in store.found()] == [key]


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_download_never_looks_complete(store: BucketArtifacts, between: HttpProxy, fault: Fault) -> None:
    key = kept(store, CONTENT)
    between.inject(fault, meant("GET"))
    got = bytearray()
    with pytest.raises(StorageUnavailable):
        collect(store.read(key, 10, len(CONTENT)), got)
    assert between.triggered()
    assert len(got) < len(CONTENT) - 10
    assert CONTENT[10:].startswith(got), "what came was right"
    between.clear()
    assert b"".join(store.read(key, 10, len(CONTENT))) == CONTENT[10:]


@pytest.mark.parametrize("words", ["_delta_log", ".parquet"])
@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_read_of_the_lake_is_an_error_and_not_fewer_rows(
    bucket: Bucket, between: HttpProxy, fault: Fault, words: str, tmp_path: Path
) -> None:
    lake = Lake(BucketTableStorage(bucket, tmp_path / "cache", 1024**2))
    file = tmp_path / "rows.csv"
    file.write_text("team_id,name\n" + "".join(f"t{n},{'x' * 50}\n" for n in range(2000)))
    load(lake, TEAM, [file], tenant="acme")
    uses = [TableUse(table="team", prune=Prune.ALL)]
    between.inject(fault, meant("GET", words))
    with pytest.raises(StorageUnavailable), snapshot(lake, uses, tenant="acme"):
        pytest.fail("a broken lake was shown")
    assert between.triggered()
    assert list((tmp_path / "cache").rglob("*.parquet")) == []
    between.clear()
    with snapshot(lake, uses, tenant="acme") as (view,):
        assert view.rows == 2000


def test_a_load_that_breaks_stores_nothing_and_can_be_repeated(
    bucket: Bucket, between: HttpProxy, tmp_path: Path
) -> None:
    lake = Lake(BucketTableStorage(bucket, tmp_path / "cache", 1024**2))
    file = tmp_path / "rows.csv"
    file.write_text("team_id,name\na,one\n")
    load(lake, TEAM, [file], tenant="acme")
    file.write_text("team_id,name\na,two\nb,two\n")
    between.inject(Fault.REFUSE, meant("PUT", "_delta_log"))
    with pytest.raises(StorageUnavailable):
        load(lake, TEAM, [file], tenant="acme")
    assert between.triggered()
    between.clear()
    counts = load(lake, TEAM, [file], tenant="acme")
    assert (counts.inserted, counts.updated) == (1, 1)


@dataclass(frozen=True, slots=True)
class World:
    """A server whose storage is behind a proxy, with a client."""

    made: Installation
    running: Running
    client: TalkdeskWire
    between: HttpProxy
    bucket: Bucket  # the artifacts, without the proxy

    def create(self, end: str = SOON) -> str:
        """Create an export; one of all days is uploaded in several parts, and read in several blocks."""
        return self.client.create("calls", START, end)

    def row(self, job: str) -> Job:
        """Return the stored job."""
        with self.made.services() as on, on.database.read() as connection:
            found = job_queries.get(connection, job)
        assert found is not None
        return found

    def objects(self, job: str) -> list[str]:
        """Return the keys of the job's files and of its unfinished uploads."""
        keys = [*self.bucket.keys("files/"), *(found.key for found in list_multipart_uploads(self.bucket, "files/"))]
        return [key for key in keys if job in key]

    def only_object(self, job: str) -> str:
        """Return the key of the job's artifact."""
        artifact = self.row(job).artifact
        assert artifact is not None
        return artifact.key

    def forget(self) -> None:
        """Empty the cache of lake files; no job may be running."""
        shutil.rmtree(self.made.home / "cache", ignore_errors=True)

    def sweep(self) -> None:
        """Run the maintenance once."""
        with self.made.services() as on:
            maintain(on)

    def assert_whole(self, job: str) -> None:
        """Check that the published file matches the job's row."""
        artifact = self.row(job).artifact
        assert artifact is not None
        content = self.client.download("calls", job).content
        assert hashlib.sha256(content).hexdigest() == artifact.sha256
        assert json.loads(content)["total"] == artifact.rows > 0


@contextmanager
def _world(moto: S3Server, home: Path, settings: str, *, calls: int) -> Iterator[World]:
    """A server with one worker, whose storage is behind a proxy."""
    made, name = Installation(home), moto.fresh_bucket()
    with http_proxy(moto.url) as between:
        moto.install(made, name, settings, url=between.url)
        credential = made.add_tenant("acme")
        made.seed("acme", calls=calls, until=date(2026, 3, 14), days=14)
        running = made.serve(workers=1)
        with TalkdeskWire.connect(running.url, credential) as client:
            yield World(made, running, client, between, moto.bucket(name, "artifacts"))
        between.clear()
        made.close()


@pytest.fixture(scope="module")
def patient_world(moto: S3Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A server that retries jobs many times."""
    with _world(moto, tmp_path_factory.mktemp("patient") / "home", PATIENT, calls=14_000) as made:
        yield made


@pytest.fixture(scope="module")
def brief_world(moto: S3Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A server that attempts jobs twice."""
    with _world(moto, tmp_path_factory.mktemp("brief") / "home", BRIEF, calls=300) as made:
        yield made


@pytest.fixture
def world(patient_world: World) -> Iterator[World]:
    """The server above; its fault is cleared after each test."""
    yield patient_world
    patient_world.between.clear()


@pytest.fixture
def brief(brief_world: World) -> Iterator[World]:
    """The server above; its fault is cleared after each test."""
    yield brief_world
    brief_world.between.clear()


UPLOAD, LAKE_FILE, LAKE_LOG = meant("PUT", "/files/"), meant("GET", ".parquet"), meant("GET", "_delta_log")


@pytest.mark.parametrize(
    ("fault", "only"),
    [
        pytest.param(Fault.REFUSE, UPLOAD, id="upload-refused"),
        pytest.param(Fault.REFUSE, meant("HEAD", "/files/"), id="look-refused"),
        pytest.param(Fault.RESET, LAKE_FILE, id="lake-reset"),
        pytest.param(Fault.SHORT, LAKE_FILE, id="lake-short"),
        pytest.param(Fault.REFUSE, LAKE_LOG, id="lake-refused"),
    ],
)
def test_a_job_is_retried_while_storage_fails_and_succeeds_afterwards(
    world: World, fault: Fault, only: Callable[[str], bool]
) -> None:
    world.forget()
    world.between.inject(fault, only)
    job = world.create()
    wait_for("another attempt", lambda: world.row(job).attempts > 1)
    assert world.between.triggered()
    assert world.client.status("calls", job) in ("created", "processing", "uploading")
    world.between.clear()
    assert world.client.wait("calls", job) == "done"
    world.assert_whole(job)
    world.sweep()
    assert world.objects(job) == [world.only_object(job)]


@pytest.mark.parametrize("only", [UPLOAD, LAKE_LOG], ids=["artifacts", "lake"])
def test_a_job_fails_with_its_reason_when_storage_remains_unavailable(
    brief: World, only: Callable[[str], bool]
) -> None:
    brief.between.inject(Fault.REFUSE, only)
    job = brief.create()
    assert brief.client.wait("calls", job) == "failed"
    row = brief.row(job)
    assert row.failure is not None
    assert (row.failure.code, row.attempts, row.artifact) == ("storage_unavailable", 2, None)
    assert brief.objects(job) == []
    assert brief.client.file("calls", job).status_code == 404


def test_an_upload_that_hangs_does_not_lose_the_lease(world: World) -> None:
    world.between.inject(Fault.HOLD, UPLOAD)
    job = world.create()
    wait_for("the upload", world.between.triggered)
    first = world.row(job)
    assert first.status == "uploading"
    with world.made.services() as on, on.database.read() as connection:
        assert not job_queries.expired_leases(connection, now=on.clock(), horizon=HOUR)
        began = on.clock()

    def outlived() -> bool:
        """Whether the time of two leases has passed, so that the lease must have been renewed."""
        with world.made.services() as on, on.database.read() as connection:
            return (on.clock() - began).total_seconds() > 2 and not job_queries.expired_leases(
                connection, now=on.clock(), horizon=HOUR
            )

    wait_for("two leases' time", outlived)
    world.between.clear()
    assert world.client.wait("calls", job) == "done"
    assert (world.row(job).attempts, world.row(job).fence) == (1, 1)
    world.assert_whole(job)


def test_a_cancelled_upload_leaves_nothing(world: World) -> None:
    world.between.inject(Fault.HOLD, UPLOAD)
    job = world.create()
    wait_for("the upload", world.between.triggered)
    assert world.client.cancel("calls", job).status_code == 204
    assert world.client.status("calls", job) == "canceled"
    world.between.clear()
    other = world.create()  # the only worker runs it, so the first attempt has ended
    assert world.client.wait("calls", other) == "done"
    world.sweep()
    assert world.objects(job) == []


def test_a_worker_killed_in_the_middle_of_an_upload_leaves_parts_that_are_swept(world: World) -> None:
    second_part = meant("PUT", "/files/", "partNumber=2")
    world.between.inject(Fault.HOLD, second_part)
    job = world.create(END)
    wait_for("the second part", world.between.triggered)
    (victim,) = world.running.workers()
    victim.kill()
    world.between.clear()
    assert world.client.wait("calls", job) == "done"
    assert world.row(job).fence == 2
    world.assert_whole(job)
    wait_for("another worker", world.running.workers)
    world.sweep()
    assert world.objects(job) == [world.only_object(job)]


@pytest.mark.parametrize("fault", BROKEN)
def test_a_download_that_cannot_start_is_503(world: World, fault: Fault) -> None:
    job = world.create()
    assert world.client.wait("calls", job) == "done"
    link = world.client.link("calls", job)
    world.between.inject(fault, meant("GET", "/files/"))
    refused = httpx.get(link, trust_env=False)
    assert refused.status_code == 503
    assert int(refused.headers["retry-after"]) > 0
    world.between.clear()
    world.assert_whole(job)


@pytest.mark.parametrize("fault", BROKEN)
def test_a_client_detects_a_broken_download(world: World, fault: Fault) -> None:
    """The server sends the first block of the file; the next read breaks."""
    job = world.create(END)
    assert world.client.wait("calls", job) == "done"
    link, blocks = world.client.link("calls", job), count()
    world.between.inject(fault, lambda line: meant("GET", "/files/")(line) and next(blocks) > 0)
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.get(link, trust_env=False, timeout=60)
    world.between.clear()
    world.assert_whole(job)
    events = {line["event"] for line in world.running.log_lines()}
    assert "download_aborted" in events
    assert "request_defect" not in events


def test_an_unavailable_file_is_not_reported_as_removed(world: World) -> None:
    job = world.create()
    assert world.client.wait("calls", job) == "done"
    link = world.client.link("calls", job)
    world.between.inject(Fault.REFUSE, meant("HEAD"))
    assert httpx.get(link, trust_env=False).status_code == 503
    world.between.clear()
    assert httpx.get(link, trust_env=False).status_code == 200
    obstore.delete(world.bucket.store, world.only_object(job))
    assert httpx.get(link, trust_env=False).status_code == 404


def test_unavailable_storage_stops_neither_the_start_nor_the_maintenance(brief: World) -> None:
    assert brief.running.stop() == 0
    brief.between.inject(Fault.REFUSE)
    again = brief.made.serve(workers=1)
    wait_for("a worker", again.workers)
    names = partial(lambda: {line["event"] for line in again.log_lines()})
    wait_for("a sweep in vain", lambda: {"storage_unreachable", "files_removed"} <= names())
    brief.between.clear()
    assert len(again.workers()) == 1
    assert "worker_died" not in names()
