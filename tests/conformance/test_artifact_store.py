"""Artifact stores: a folder, and object storage on two S3 servers."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import obstore
import pytest

from offtake.artifacts.bucket import BucketArtifacts
from offtake.artifacts.folder import FolderArtifacts
from offtake.artifacts.store import ArtifactStore
from offtake.errors import AttemptInterrupted, SettingsError, StorageUnavailable
from offtake.objects import multipart_uploads as uploads
from offtake.objects.bucket import Bucket
from tests.fixtures.buckets import ENVIRONMENT, KEY, SECRET, S3Server
from tests.fixtures.gaps import gap

SERVERS = ("moto", "rclone")
JOB, OTHER = "0" * 36, "1" * 36
LARGE = 40 * 1024 * 1024 + 7  # three parts


@dataclass(frozen=True, slots=True)
class Kept:
    """A store and the staging folder of this host's attempts."""

    store: ArtifactStore
    root: Path

    def keep(self, content: bytes, *, fence: int = 1, between: Callable[[], None] = lambda: None) -> str:
        """Publish a file; its key."""
        staged = self.store.staging(JOB, fence, "csv")
        staged.write_bytes(content)
        key = self.store.key("acme", JOB, fence, "csv")
        self.store.keep(staged, key, between)
        self.store.discard(JOB, fence)
        return key

    def read(self, key: str, first: int, end: int) -> bytes:
        """Some bytes of a file."""
        return b"".join(self.store.read(key, first, end))

    def found(self) -> list[tuple[str, int, bool]]:
        """Everything the sweep sees."""
        return [(file.key, file.fence, file.staged) for file in self.store.found()]


@pytest.fixture(params=["folder", *SERVERS])
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Kept:
    """An empty store."""
    root = tmp_path / "artifacts"
    if request.param == "folder":
        store: ArtifactStore = FolderArtifacts(root)
    else:
        server: S3Server = request.getfixturevalue(request.param)
        store = BucketArtifacts(root, server.bucket(server.fresh_bucket()))
    store.prepare()
    return Kept(store, root)


@pytest.mark.parametrize("prefix", ["", "one", "care/artifacts"])
@pytest.mark.parametrize("server_name", SERVERS)
def test_a_prefix_with_any_characters_works(
    server_name: str, prefix: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    server: S3Server = request.getfixturevalue(server_name)
    bucket = server.bucket(server.fresh_bucket(), prefix)
    kept = Kept(BucketArtifacts(tmp_path, bucket), tmp_path)
    kept.store.prepare()
    key = kept.keep(b"some rows")
    wanted = [(key, 1, False)]
    if server_name == "moto":  # an unfinished upload stops rclone altogether
        other = kept.store.key("acme", OTHER, 2, "csv")
        _begun(bucket, other)
        wanted.append((other, 2, False))
    assert kept.found() == wanted
    for file in kept.store.found():
        file.remove()
    assert kept.found() == []


def test_a_stored_file_is_read_back_whole_and_in_ranges(kept: Kept) -> None:
    content = bytes(range(256)) * 5000
    key, size = kept.keep(content), len(content)
    assert kept.store.size(key) == size
    for first, end in ((0, size), (0, 1), (size - 1, size), (1_000_000, 1_100_000), (7, 7), (size, size)):
        assert kept.read(key, first, end) == content[first:end]


def test_an_empty_file_is_stored_and_read_back(kept: Kept) -> None:
    key = kept.keep(b"")
    assert kept.store.size(key) == 0
    assert kept.read(key, 0, 0) == b""


def test_a_multipart_upload_stores_the_same_bytes(kept: Kept) -> None:
    content = os.urandom(1024 * 1024) * 40 + b"the end"
    assert len(content) == LARGE
    key = kept.keep(content)
    assert kept.store.size(key) == LARGE
    digest = hashlib.sha256()
    for chunk in kept.store.read(key, 0, LARGE):
        digest.update(chunk)
    assert digest.digest() == hashlib.sha256(content).digest()
    assert kept.found() == [(key, 1, False)], "no unfinished upload is left"


@pytest.mark.parametrize("stop_at", [1, 2, 3])
def test_an_interrupted_upload_stores_nothing(kept: Kept, stop_at: int) -> None:
    calls = 0

    def between() -> None:
        nonlocal calls
        calls += 1
        if calls == stop_at or isinstance(kept.store, FolderArtifacts):
            raise AttemptInterrupted("The attempt was asked to stop.")

    with pytest.raises(AttemptInterrupted):
        kept.keep(bytes(LARGE), between=between)
    kept.store.discard(JOB, 1)
    key = kept.store.key("acme", JOB, 1, "csv")
    assert kept.store.size(key) is None
    for file in kept.store.found():  # the parts that were sent, where the client did not take them back
        assert file.key == key
        file.remove()
    assert kept.found() == []


def test_a_missing_file_is_reported_as_missing(kept: Kept) -> None:
    key = kept.store.key("acme", JOB, 1, "csv")
    assert kept.store.size(key) is None
    with pytest.raises(StorageUnavailable):
        kept.read(key, 0, 1)
    kept.store.remove(key)
    assert kept.found() == []


def test_removing_a_file_keeps_the_others(kept: Kept) -> None:
    first, second = kept.keep(b"one", fence=1), kept.keep(b"two", fence=2)
    kept.store.remove(first)
    assert (kept.store.size(first), kept.store.size(second)) == (None, 3)


def test_a_truncated_file_raises_an_error(kept: Kept) -> None:
    key = kept.keep(b"ten bytes.")
    with pytest.raises(StorageUnavailable):
        kept.read(key, 0, 11)
    with pytest.raises(StorageUnavailable):
        kept.read(key, 20, 30)


def test_the_sweep_lists_files_with_a_job_and_a_fence(kept: Kept) -> None:
    key = kept.keep(b"published")
    staged = kept.store.staging(OTHER, 3, "json")
    staged.write_bytes(b"half")
    spill = kept.store.spill(OTHER, 3)
    spill.mkdir()
    (spill / "block").write_bytes(b"x")
    kept.store.staging("not-a-job", 1, "csv").write_bytes(b"another file")
    assert kept.found() == [
        (f"staging/{staged.name}", 3, True),
        (f"spill/{spill.name}", 3, True),
        (key, 1, False),
    ]
    for file in kept.store.found():
        file.remove()
    assert kept.found() == []
    assert [path.name for path in kept.root.rglob("*") if path.is_file()] == ["not-a-job.1.csv"]


def test_an_abandoned_multipart_upload_is_listed_and_aborted(moto: S3Server, tmp_path: Path) -> None:
    """moto only: rclone stops responding after an unfinished upload."""
    bucket = moto.bucket(moto.fresh_bucket())
    kept = Kept(BucketArtifacts(tmp_path, bucket), tmp_path)
    kept.store.prepare()
    published = kept.keep(b"published")
    key = kept.store.key("acme", OTHER, 4, "csv")
    _begun(bucket, key)
    assert kept.store.size(key) is None
    (lost,) = [file for file in kept.store.found() if file.job == OTHER]
    assert (lost.key, lost.fence, lost.staged) == (key, 4, False)
    lost.remove()
    lost.remove()
    assert kept.found() == [(published, 1, False)]


def test_abandoned_uploads_on_several_pages_are_listed(moto: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "PAGE", 2)
    bucket = moto.bucket(moto.fresh_bucket())
    keys = [f"files/acme/{JOB}.{fence}.csv" for fence in range(1, 6)]
    for key in keys:
        _begun(bucket, key)
    assert sorted(found.key for found in uploads.list_multipart_uploads(bucket, "files/")) == keys


@pytest.mark.parametrize("server_name", SERVERS)
def test_an_existing_bucket_passes_the_check(server_name: str, request: pytest.FixtureRequest) -> None:
    server: S3Server = request.getfixturevalue(server_name)
    server.bucket(server.fresh_bucket()).check("artifacts_url", writing=True)


@pytest.mark.parametrize("server_name", SERVERS)
def test_a_missing_bucket_is_reported_with_its_setting(server_name: str, request: pytest.FixtureRequest) -> None:
    server: S3Server = request.getfixturevalue(server_name)
    with pytest.raises(
        SettingsError, match=r"^artifacts_url: s3://nobodys-bucket/care/files: the bucket does not exist"
    ):
        server.bucket("nobodys-bucket").check("artifacts_url")


@pytest.mark.parametrize(
    "server_name",
    [
        pytest.param("moto", marks=gap("moto", reason="accepts any signature", raises=pytest.fail.Exception)),
        "rclone",
    ],
)
def test_refused_credentials_are_reported_without_the_secret(server_name: str, request: pytest.FixtureRequest) -> None:
    server: S3Server = request.getfixturevalue(server_name)
    wrong = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": "a-wrong-secret"}
    bucket = server.bucket(server.fresh_bucket(), secrets=wrong)
    with pytest.raises(SettingsError, match=r"lake_url: .* access denied") as caught:
        bucket.check("lake_url")
    assert "wrong-secret" not in caught.value.message
    assert KEY not in caught.value.message
    with pytest.raises(StorageUnavailable, match="denied access"):
        bucket.size("files/x")


def test_credentials_may_come_from_the_environment(
    rclone: S3Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    bucket = rclone.bucket(rclone.fresh_bucket(), secrets={})
    kept = Kept(BucketArtifacts(tmp_path, bucket), tmp_path)
    kept.store.prepare()
    key = kept.keep(b"x")
    assert kept.found() == [(key, 1, False)]
    assert kept.read(key, 0, 1) == b"x"


def test_an_unreachable_service_is_not_a_settings_error(moto: S3Server) -> None:
    away = moto.bucket("any", endpoint="http://127.0.0.1:9")
    with pytest.raises(StorageUnavailable, match=r"^artifacts_url: .* the endpoint http://127.0.0.1:9 .* was refused"):
        away.check("artifacts_url")
    with pytest.raises(StorageUnavailable):
        away.size("files/x")


def test_representations_hide_secrets() -> None:
    access = replace(S3Server(program="none", url="").access, secrets={"AWS_SECRET_ACCESS_KEY": SECRET})
    assert SECRET not in repr(access)


def _begun(bucket: Bucket, key: str) -> None:
    """Upload a part without completing the upload, as a killed attempt does."""
    part = 5 * 1024 * 1024
    writer = obstore.open_writer(bucket.store, key, buffer_size=part, max_concurrency=1)
    writer.write(bytes(2 * part + 1))
