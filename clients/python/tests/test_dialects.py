"""The client of the dialects against a real server: lost responses, broken downloads, and what was verified."""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from offtake_client import AsyncDialectClient, DialectClient, verify
from offtake_client.cli import app
from offtake_client.errors import ExportFailed, InvalidRequest, NotAuthenticated, NotFound, ProfileError, UnknownOption
from tests.fixtures import loop
from tests.fixtures.download_proxy import Damage, download_proxy
from tests.fixtures.installation import Served
from tests.fixtures.khoros import new_user

MARCH: dict[str, Any] = {"start": "2026-03-01", "end": "2026-04-01"}
BROKEN = [each for each in Damage if each is not Damage.BUSY]


def lose_first(response_of: Callable[[httpx.Request], bool]) -> dict[str, Any]:
    """Return hooks of a client that loses the first response to such a request, after the server has acted."""
    lost: list[str] = []

    def lose(response: httpx.Response) -> None:
        if not lost and response_of(response.request):
            lost.append(str(response.request.url))
            raise httpx.ReadError("the response is lost")

    return {"response": [lose]}


def is_create(request: httpx.Request) -> bool:
    return request.method == "POST" and "oauth" not in request.url.path


def forget_job(folder: Path) -> None:
    """Bring the record of a request into the state of a process that was killed after it sent the request."""
    (record,) = folder.glob(".offtake-request-*.json")
    record.write_text(json.dumps({**json.loads(record.read_text()), "export": None}))


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def test_talkdesk(server: Served, tmp_path: Path) -> None:
    credential = server.installation.add_client("acme")
    client = (credential.client_id, credential.client_secret)
    chance = random.Random(5)
    with download_proxy(server.url) as proxy:
        proxy.random.seed(5)
        http = httpx.Client(event_hooks=lose_first(is_create))
        with DialectClient("talkdesk", proxy.url, client=client, http=http, note=lambda _: None) as talkdesk:
            job = talkdesk.export("calls", **MARCH, target=tmp_path)
            listed = list(talkdesk.exports(report="calls"))
            assert [each.id for each in listed] == [job.id]  # the lost response did not create a second one
            forget_job(tmp_path)
            assert talkdesk.export("calls", **MARCH, target=tmp_path).id == job.id
            job.wait()
            proxy.damage = lambda: chance.choice(BROKEN) if proxy.damages.total() < 8 else None
            (path,) = job.download()
            assert proxy.damages.total() == 8
            proxy.damage = lambda: None
            with server.client(credential) as wire:
                content = wire.download("calls", job.id.partition("/")[2]).content
            assert path.read_bytes() == content
            assert [(each.checked, each.fault) for each in verify(tmp_path)] == [("sha-256", "")]
            assert list(talkdesk.unfinished(tmp_path)) == []
            flip(path)
            assert [each.damaged for each in verify(path)] == [(0,)]
            (again,) = talkdesk.unfinished(tmp_path)
            assert (again.id, again.download(), path.read_bytes() == content) == (job.id, [path], True)
            day: dict[str, Any] = {"start": "2020-01-01", "end": "2020-01-02"}
            (empty,) = talkdesk.export("calls", **day, format="json_bulk").download(tmp_path / "empty")
            assert (empty.read_bytes(), [each.fault for each in verify(empty)]) == (b"", [""])
            with pytest.raises(InvalidRequest, match="timespan"):
                talkdesk.export("calls", start="2026-01-01", end="2026-04-01")
            talkdesk.check()
            with pytest.raises(UnknownOption, match="Name it"):
                list(talkdesk.exports())
    worker = server.running.workers()[0]
    worker.suspend()
    try:
        with DialectClient("talkdesk", server.url, client=client) as talkdesk:
            other = talkdesk.export("calls", **MARCH, format="json")
            assert (other.id != job.id, other.cancel().state) == (True, "cancelled")
            with pytest.raises(ExportFailed, match="cancelled"):
                other.wait()
    finally:
        worker.resume()


def test_khoros(server: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    user = new_user(server, "client")
    post = {"conversation_id": "c1", "kind": "incoming", "happened_at": "2026-03-05T10:00:00Z"}
    posts = [{**post, "post_id": f"post {number}"} for number in range(200)]
    server.installation.load("post", posts, tenant=user.tenant)

    def run(*arguments: object, code: int = 0, given: str = "") -> Any:
        done = CliRunner().invoke(app, [*map(str, arguments), "--dialect", "khoros"], input=given)
        assert done.exit_code == code, done.output
        return done

    get = ("get", "incoming_post", "--start", "2026-03-01", "--end", "2026-04-01", "-o", tmp_path)
    with download_proxy(server.url) as proxy:
        monkeypatch.setenv("OFFTAKE_CLIENT_URL", proxy.url)
        assert "OFFTAKE_CLIENT_COMPANY_KEY" in run("jobs", code=3).stderr
        login = ("login", proxy.url, "--user", user.name, "--profile", "khoros")
        run(*login, given=user.password, code=2)
        run(*login, "--company-key", user.company_key, given="wrong", code=4)
        assert "--dialect khoros" in run(*login, "--company-key", user.company_key, given=user.password).stdout
        assert json.loads(run("jobs", "--profile", "khoros", "--json").stdout) == {"exports": []}
        monkeypatch.setenv("OFFTAKE_CLIENT_USER", user.name)
        monkeypatch.setenv("OFFTAKE_CLIENT_PASSWORD", user.password)
        monkeypatch.setenv("OFFTAKE_CLIENT_COMPANY_KEY", user.company_key)
        proxy.damage = lambda: Damage.CLOSED if proxy.damages.total() < 3 else None
        done = run(*get, "--option", "reportMetrics=POST_ID", "--option", "reportMetrics=NETWORK", "--json")
        found = json.loads(done.stdout)
        (path,) = map(Path, found["files"])
        rows = json.loads(path.read_bytes())
        assert sorted(row["POST_ID"] for row in rows) == sorted(each["post_id"] for each in posts)
        assert rows[0].keys() == {"POST_ID", "NETWORK"}
        assert (found["checked"], proxy.damages[Damage.CLOSED]) == ("sha-256", 3)
        assert "matched the SHA-256" in done.stderr
        assert [each["id"] for each in json.loads(run("jobs", "--json").stdout)["exports"]] == [found["export"]]
        assert "succeeded" in run("watch", found["export"]).stdout
        assert "every file is complete" in run("resume", tmp_path).stdout
        assert "cannot cancel" in run("cancel", found["export"], code=2).stderr
        assert "--columns" in run(*get, "--columns", "POST_ID", code=2).stderr
        run("watch", "no-id", code=2)

        def without_checksum(response: httpx.Response) -> None:
            response.headers.pop("etag", None)

        http = httpx.Client(event_hooks={"response": [without_checksum]})
        basic = (user.name, user.password, user.company_key)
        with DialectClient("khoros", proxy.url, basic=basic, http=http, note=lambda _: None) as khoros:
            job = next(khoros.exports())
            kinds = iter([Damage.SHORT, Damage.REFUSED, Damage.CLOSED])
            proxy.damage = lambda: next(kinds, None)
            (second,) = job.download(tmp_path / "size")
            assert next(kinds, None) is None
            assert second.read_bytes() == path.read_bytes()
            assert [(each.checked, each.fault) for each in verify(tmp_path / "size")] == [("size", "")]
    shown = CliRunner().invoke(app, ["verify", str(tmp_path / "size")]).stdout
    assert "no checksum" in shown
    flip(second)
    assert CliRunner().invoke(app, ["verify", str(second)]).exit_code == 8
    wrong = (user.name, "wrong", user.company_key)
    with DialectClient("khoros", server.url, basic=wrong) as stranger, pytest.raises(NotAuthenticated):
        stranger.find_export(job.id)
    with DialectClient("khoros", server.url, basic=basic) as khoros, pytest.raises(NotFound):
        khoros.find_export(f"{job.id.partition('/')[0]}/23unknown")


def test_loop_in_an_event_loop(server: Served, tmp_path: Path) -> None:
    tenant = loop.tenant(server, "client", [*loop.PEOPLE, *loop.TALKS])
    token = loop.token(server.installation, tenant, None)

    async def lose(response: httpx.Response) -> None:
        if is_create(response.request) and len(lost) < 1:
            await response.aread()
            lost.append(response.json()["id"])
            raise httpx.ReadError("the response is lost")

    def as_md5(response: httpx.Response) -> None:
        response.headers["etag"] = f'"{md5}"'

    async def story() -> tuple[str, Path]:
        http = httpx.AsyncClient(event_hooks={"response": [lose]})
        async with AsyncDialectClient("loop", server.url, token=token, http=http, note=lambda _: None) as client:
            job = await client.export("conversations", **MARCH, options={"tagIds": "vip"}, target=tmp_path)
            assert [job.id] == lost  # the key of the request is that of the lost one
            forget_job(tmp_path)
            assert [each.id async for each in client.unfinished(tmp_path)] == lost
            states = [update.state async for update in job.progress()]
            assert (states[0], states[-1]) == ("running", "succeeded")
            (path,) = await job.download()
            assert job.downloaded is not None
            assert job.downloaded.checked == "sha-256"
            assert not list(tmp_path.glob(".offtake-request-*"))
            another = await client.export("conversations", last="1mo", format="xlsx", target=tmp_path)
            assert another.id != job.id
            return job.id, path

    lost: list[str] = []
    job, path = asyncio.run(story())
    rows = json.loads(path.read_bytes())
    assert rows
    assert [row for row in rows if "vip" not in row["tagIds"]] == []
    md5 = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
    http = httpx.Client(event_hooks={"response": [as_md5]})
    with DialectClient("loop", server.url, token=token, http=http) as client:
        found = client.find_export(job)
        (copy,) = found.download(tmp_path / "md5")
        assert copy.read_bytes() == path.read_bytes()
        assert [each.checked for each in verify(copy)] == ["md5"]
        client.check()
        with pytest.raises(UnknownOption, match="no list"):
            list(islice(client.exports(), 1))
        with pytest.raises(ExportFailed, match="expired"):
            client.find_export(loop.UNKNOWN).download(tmp_path)
    with pytest.raises(ProfileError, match="Give token"):
        DialectClient("loop", server.url, client=("id", "secret"))
