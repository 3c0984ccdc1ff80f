"""Lake and artifacts in object storage, jobs in PostgreSQL, and a worker on another machine."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import httpx
import pytest

from offtake.core.admin import jobs
from tests.fixtures import loop
from tests.fixtures.buckets import ENVIRONMENT, SECRET, S3Server
from tests.fixtures.commands import command
from tests.fixtures.databases import fresh_database, postgresql_server
from tests.fixtures.installation import Installation, Running
from tests.fixtures.native import connect
from tests.fixtures.polling import wait_for
from tests.fixtures.sharing import SharingWire, recipient, refresh, share
from tests.fixtures.talkdesk import Credential, TalkdeskWire

START, END = "2026-03-01T00:00:00Z", "2026-03-15T00:00:00Z"
CALLS = 300


@dataclass(frozen=True, slots=True)
class Spread:
    """A machine with a server without workers, and the home of another machine."""

    here: Installation
    there: Installation
    running: Running
    credential: Credential


@pytest.fixture(scope="module")
def spread(tmp_path_factory: pytest.TempPathFactory, moto: S3Server) -> Iterator[Spread]:
    """Both machines have the same settings and share nothing else: neither a folder nor the key that signs links."""
    with postgresql_server(tmp_path_factory.mktemp("postgresql")) as server:
        state = fresh_database(server).replace("postgresql+psycopg://", "postgresql://")
        here, there = (Installation(tmp_path_factory.mktemp(name) / "home") for name in ("here", "there"))
        name = moto.fresh_bucket()
        presigned = "".join(f"[{dialect}]\npresigned = true\n" for dialect in ("native", "sharing"))
        for made in (here, there):
            moto.install(made, name, presigned, before=f'state_url = "{state}"\n')
        credential = here.add_tenant("acme")
        here.seed("acme", calls=CALLS, until=date(2026, 3, 14), days=14)
        running = here.serve(workers=0)
        yield Spread(here, there, running, credential)
        here.close()
        there.close()


@pytest.fixture(scope="module")
def worker(spread: Spread) -> Iterator[subprocess.Popen[bytes]]:
    """``offtake worker`` on the other machine."""
    command = [sys.executable, "-m", "offtake", "worker", "--home", str(spread.there.home)]
    with (spread.there.home / "worker.log").open("wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=log)
        yield process
        process.terminate()
        assert process.wait(timeout=60) == 0


@pytest.fixture
def client(spread: Spread, worker: subprocess.Popen[bytes]) -> Iterator[TalkdeskWire]:
    """A client of the server."""
    with TalkdeskWire.connect(spread.running.url, spread.credential) as made:
        yield made


@pytest.mark.parametrize("format_", ["json", "csv"])
def test_a_worker_on_another_machine_runs_the_job_and_the_server_sends_its_file(
    client: TalkdeskWire, spread: Spread, format_: str
) -> None:
    job = client.create("calls", START, END, format_=format_)
    assert client.wait("calls", job) == "done"
    link = client.link("calls", job)
    whole = client.download("calls", job)
    assert whole.status_code == 200
    etag = whole.headers["etag"]
    assert etag == f'"{hashlib.sha256(whole.content).hexdigest()}"'
    rows = int(whole.headers["x-export-rows"])
    assert rows > CALLS // 2
    if format_ == "json":
        assert len(json.loads(whole.content)["entries"]) == rows
    _assert_served_in_ranges(link, whole.content, etag)
    for made in (spread.here, spread.there):
        left = [path for path in (made.home / "artifacts").rglob("*") if path.is_file()]
        assert left == [], "nothing stays on either machine"


def _assert_served_in_ranges(link: str, content: bytes, etag: str) -> None:
    with httpx.Client(trust_env=False, headers={"Accept-Encoding": "identity"}) as bare:
        head = bare.head(link)
        assert (head.status_code, head.content, head.headers["etag"]) == (200, b"", etag)
        assert head.headers["content-length"] == str(len(content))
        size = len(content)
        for header, first, end in (("bytes=5-", 5, size), ("bytes=100-299", 100, 300), ("bytes=-7", size - 7, size)):
            part = bare.get(link, headers={"Range": header, "If-Range": etag})
            assert (part.status_code, part.content) == (206, content[first:end])
            assert part.headers["content-range"] == f"bytes {first}-{end - 1}/{size}"
        assert bare.get(link, headers={"Range": f"bytes={size}-"}).status_code == 416
        other = bare.get(link, headers={"Range": "bytes=5-9", "If-Range": '"other"'})
        assert (other.status_code, other.content) == (200, content)
        several = bare.get(link, headers={"Range": "bytes=0-9,20-29"})
        assert several.status_code == 206
        assert several.headers["content-type"].startswith("multipart/byteranges; boundary=")
        assert content[:10] in several.content
        assert content[20:30] in several.content
        assert several.headers["content-length"] == str(len(several.content))


def test_lake_files_are_fetched_once_per_machine(client: TalkdeskWire, spread: Spread) -> None:
    cache = spread.there.home / "cache" / "lake" / "files"
    assert client.wait("calls", client.create("calls", START, END)) == "done"
    first = {path: path.stat().st_ino for path in cache.rglob("*.parquet")}
    assert first
    assert client.wait("calls", client.create("calls", START, END)) == "done"
    assert {path: path.stat().st_ino for path in cache.rglob("*.parquet")} == first


def test_a_deleted_file_is_removed_from_the_bucket(client: TalkdeskWire, spread: Spread) -> None:
    job = client.create("calls", START, END)
    assert client.wait("calls", job) == "done"
    link = client.link("calls", job)
    assert client.delete("calls", job).status_code == 204
    assert httpx.get(link, trust_env=False).status_code == 404
    with spread.here.services() as on:
        assert job not in {file.job for file in on.artifacts.found()}


def test_neither_settings_nor_logs_show_a_secret(client: TalkdeskWire, spread: Spread) -> None:
    assert client.wait("calls", client.create("calls", START, END)) == "done"
    shown = spread.here.run("config", "show")
    assert shown.returncode == 0
    assert "s3://" in shown.stdout
    logs = spread.running.log.read_text() + (spread.there.home / "worker.log").read_text()
    assert "request" in logs
    assert SECRET not in shown.stdout + logs


WRONG = {
    "bucket": ("nobodys-bucket", {}, "", "the bucket does not exist"),
    "key id": ("{bucket}", {"AWS_ACCESS_KEY_ID": "another"}, "", "the service does not know the access key id"),
    "secret": ("{bucket}", {"AWS_SECRET_ACCESS_KEY": "other-s3cret"}, "", "is not that of the access key id"),
    "endpoint": (
        "{bucket}",
        {},
        "http://127.0.0.1:9",
        "the endpoint http://127.0.0.1:9 cannot be used: the connection",
    ),
    "host": ("{bucket}", {}, "http://no-such-host.invalid", "its host name has no address"),
    "scheme": ("{bucket}", {}, "https", "it does not speak TLS"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_commands_and_serve_say_what_is_wrong_with_the_storage(
    wrong: str, rclone: S3Server, installation: Installation
) -> None:
    bucket, credentials, url, said = WRONG[wrong]
    url = rclone.url.replace("http:", "https:") if url == "https" else url
    rclone.install(installation, bucket.format(bucket="bucket-99"), url=url or None)
    (installation.home / "secrets" / "storage.env").write_text(
        "".join(f"{name}={value}\n" for name, value in {**ENVIRONMENT, **credentials}.items())
    )
    installation.add_tenant("acme")
    file = installation.home / "team.csv"
    file.write_text("team_id,name\nt1,One\n")
    unavailable = wrong in ("endpoint", "host", "scheme")
    for arguments in (
        ("load", "team", str(file), "--tenant", "acme"),
        ("seed", "--tenant", "acme", "--table", "team"),
        ("tenant", "show", "acme"),
        ("lake", "status", "--tenant", "acme"),
        *((("report", "check", "calls", "--tenant", "acme"), ("sweep", "--dry-run")) if wrong == "secret" else ()),
    ):
        done = command(*arguments, home=installation.home)
        assert done.code == (9 if unavailable else 3), done.err
        assert (done.out, len(done.err.splitlines())) == ("", 1)
        assert done.err.startswith(f"offtake: {'artifacts' if arguments[0] == 'sweep' else 'lake'}_url: s3://")
        assert said in done.err
        assert "s3cret" not in done.err
    if wrong == "endpoint":
        running = installation.serve(workers=0)
        lines = {line["option"]: line for line in running.log_lines() if line["event"] == "storage_unreachable"}
        running.kill()
        assert lines.keys() == {"artifacts_url", "lake_url"}
        assert [line for line in lines.values() if said not in line["reason"]] == []
    for process in () if unavailable else (("serve", "--port", "0", "--workers", "0"), ("worker",)):
        done = command(*process, home=installation.home)
        assert (done.code, done.out) == (3, "")
        assert "artifacts_url: s3://" in done.err
        assert said in done.err
        assert "s3cret" not in done.err


def test_a_lake_that_cannot_be_written_is_named_with_the_reason(installation: Installation) -> None:
    installation.init(f'lake_url = "file://{installation.home}/elsewhere"\n')
    installation.add_tenant("acme")
    (installation.home / "elsewhere").write_text("no folder")
    done = command("seed", "--tenant", "acme", "--table", "team", home=installation.home)
    assert done.code == 9
    assert f"The lake's folder {installation.home}/elsewhere cannot be used: Not a directory." in done.err


def test_credentials_that_others_may_read_stop_the_start(moto: S3Server, installation: Installation) -> None:
    moto.install(installation, "any")
    (installation.home / "secrets" / "storage.env").chmod(0o644)
    done = installation.run("tenant", "add", "acme")
    assert done.returncode != 0
    assert "chmod 600" in done.stderr
    assert SECRET not in done.stderr


def test_artifacts_can_be_kept_on_storage_that_ignores_ranges(rclone: S3Server, installation: Installation) -> None:
    """rclone stores the artifacts and checks signatures; the lake remains in its folder."""
    rclone.install(installation, rclone.fresh_bucket())
    file = installation.home / "offtake.toml"
    file.write_text("".join(line for line in file.read_text().splitlines(True) if not line.startswith("lake_url")))
    credential = installation.add_tenant("acme")
    installation.seed("acme", calls=CALLS, until=date(2026, 3, 14), days=14)
    running = installation.serve(workers=1)
    with TalkdeskWire.connect(running.url, credential) as client:
        job = client.create("calls", START, END)
        assert client.wait("calls", job) == "done"
        link = client.link("calls", job)
        whole = client.download("calls", job)
        _assert_served_in_ranges(link, whole.content, whole.headers["etag"])
    wait_for("a worker", running.workers)


def test_a_native_client_downloads_from_the_object_storage_itself(
    spread: Spread, worker: subprocess.Popen[bytes], moto: S3Server
) -> None:
    """With ``presigned``, also a file that another machine made."""
    token = loop.token(spread.here, "acme", user=None)
    with connect(spread.running.url, token, "acme") as client:
        export = client.finish(report="calls", timespan={"start": START, "end": END}, format="parquet")
        (file,) = client.manifest(export)["files"]
        link = client.http.get(file["url"])
        assert link.status_code == 302
        assert link.headers["location"].startswith(moto.url)
        content = httpx.get(link.headers["location"], trust_env=False).content
    assert (hashlib.sha256(content).hexdigest(), len(content)) == (file["sha256"], file["bytes"])
    with spread.here.services() as on:
        share(on, "acme", "partner.care.calls", timespan={"start": START, "end": END}, columns=["call_id"])
        job, _ = refresh(on, "acme", "partner.care.calls")
        wait_for("the version", lambda: jobs.get(job.id, on).artifact)
        token = recipient(on, "acme")[1]
    with httpx.Client(base_url=spread.running.url, trust_env=False) as http:
        (shared,) = SharingWire(http, token).files("partner.care.calls")
    assert shared["url"].startswith(moto.url)
    assert len(httpx.get(shared["url"], trust_env=False).content) == shared["size"]
