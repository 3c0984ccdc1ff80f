"""The public client of Delta Sharing reads what the exports contain, row for row."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import pyarrow.parquet as pq
import pytest

from offtake.core.admin import identity, jobs
from offtake.core.services import Services
from offtake.model.job import Status
from offtake.model.tenant import DataAccess
from tests.fixtures.care import call
from tests.fixtures.installation import Served
from tests.fixtures.own_environment import python_of
from tests.fixtures.polling import wait_for
from tests.fixtures.sharing import SharingWire, recipient, refresh, share
from uv_command import ROOT

SCRIPT = ROOT / "tests" / "fixtures" / "delta_sharing" / "read.py"
PAGE = ROOT / "docs" / "how-to" / "read-by-delta-sharing.md"
CALLS, PEOPLE = "partner.care.calls", "partner.care.people"
Ask = Callable[..., dict[str, Any]]
pytestmark = pytest.mark.timeout(900)  # the first run downloads the client's environment


@contextmanager
def _client(profile: Path) -> Iterator[Ask]:
    process = subprocess.Popen(
        [python_of(SCRIPT.parent), str(SCRIPT), profile.name, "."],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=profile.parent,
        env={**os.environ, "NO_PROXY": "127.0.0.1"},
    )

    def ask(command: str, *arguments: Any, **options: Any) -> dict[str, Any]:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps([command, arguments, options]) + "\n")
        process.stdin.flush()
        answer: dict[str, Any] = json.loads(process.stdout.readline())
        return answer

    try:
        yield ask
    finally:
        process.kill()
        process.communicate()


def _profile(path: Path, url: str, token: str) -> Path:
    profile = {"shareCredentialsVersion": 1, "endpoint": f"{url}/delta-sharing/", "bearerToken": token}
    profile["expirationTime"] = "2126-11-30T22:49:11.586Z"  # as the command writes it
    path.write_text(json.dumps(profile))
    return path


def _finish(on: Services, tenant: str, name: str) -> None:
    """Create the next version, and wait for it."""
    job, _ = refresh(on, tenant, name)
    wait_for("the version", lambda: jobs.get(job.id, on).status is Status.SUCCEEDED)


def _exported(http: httpx.Client, token: str, name: str, **version: int) -> list[dict[str, Any]]:
    """Return the rows of the export's files, read without the client."""
    files = SharingWire(http, token).files(name, **version)
    return [row for file in files for row in pq.read_table(BytesIO(http.get(file["url"]).content)).to_pylist()]


def test_the_public_client_reads_every_row_of_every_version(busy: Served, tmp_path: Path) -> None:
    """Lists, versions in both response formats, split exports, masked columns, refusals, a revoked token."""
    rows = [
        call(f"c{number}", f"2026-03-{number % 28 + 1:02}T10:00:00.{number % 1000:03}Z", csat_score=number % 7 or None)
        for number in range(3_000)
    ]
    tenant, installation = busy.tenant("sharing").tenant, busy.installation
    installation.load("call", rows[:2_000], tenant=tenant)
    with installation.services() as on:
        share(on, tenant, CALLS, split={"rows": 1000}, order=["ended_at", "call_id"])
        share(on, tenant, PEOPLE, personal=True)
        credential, token = recipient(on, tenant, access=DataAccess(personal=False))
        _, full_token = recipient(on, tenant)
        _finish(on, tenant, CALLS)
    installation.load("call", rows[2_000:], tenant=tenant)
    with installation.services() as on:
        _finish(on, tenant, CALLS)
        _finish(on, tenant, PEOPLE)
    profile = _profile(tmp_path / "partner.share", busy.url, token)
    with httpx.Client(base_url=busy.url, trust_env=False) as http, _client(profile) as ask:
        assert ask("shares") == {"result": ["partner"]}
        assert ask("tables") == {"result": [CALLS]}
        assert ask("version", CALLS) == {"result": 1}
        assert ask("version", CALLS, starting_timestamp="2020-01-01T00:00:00Z") == {"result": 0}
        for number, count in ((0, 2_000), (1, 3_000)):
            exported = _exported(http, token, CALLS, version=number)
            assert len(exported) == count
            for is_delta in (None, True):
                ask("load", CALLS, "read.parquet", version=number, use_delta_format=is_delta)
                assert pq.read_table(tmp_path / "read.parquet").to_pylist() == exported
        assert ask("load", CALLS, "few.parquet", limit=1_200)["result"]["rows"] == 1_200
        assert "customer_number" not in exported[0]
        assert "cdf is not enabled" in ask("changes", CALLS)["error"]
        assert ask("load", PEOPLE, "none.parquet")["status"] == 404
        assert "customer_number" in _exported(http, full_token, PEOPLE)[0]
        (lines,) = re.findall(r"^```python\n(.*?)^```", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
        printed, newest, first = ask("run", lines)["result"]
        assert (printed[-1], newest, first) == ("1", 3_000, 2_000)
        with installation.services() as on:
            identity.revoke_credential(credential, on)
        assert ask("load", CALLS, "none.parquet")["status"] == 401
