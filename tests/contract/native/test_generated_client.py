"""A client that openapi-python-client generates from the OpenAPI document orders, waits and downloads."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path

import pytest

from tests.fixtures import loop
from tests.fixtures.care import call
from tests.fixtures.installation import Served
from tests.fixtures.own_environment import python_of
from uv_command import ROOT

SCRIPT = ROOT / "tests" / "fixtures" / "generated_client" / "export.py"


@pytest.mark.timeout(900)  # the first run downloads its environment
def test_a_generated_client_exports_calls(busy: Served, tmp_path: Path) -> None:
    credential = busy.tenant("generated")
    busy.installation.load("call", [call("c1", "2026-03-01T10:00:00Z")], tenant=credential.tenant)
    token = loop.token(busy.installation, credential.tenant, user=None)
    done = subprocess.run(
        [python_of(SCRIPT.parent), str(SCRIPT), busy.url, token, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    content = Path(found["file"]).read_bytes()
    assert (found["state"], found["rows"], found["problem"]) == ("succeeded", 1, "invalid_request")
    assert hashlib.sha256(content).hexdigest() == found["sha256"]
    assert content == b"call_id\r\nc1\r\n"
