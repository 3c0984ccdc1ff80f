"""``offtake share``, and credentials of recipients."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from tests.fixtures.commands import Done, command
from tests.fixtures.installation import Installation

CALLS = "partner.care.calls"
ENDPOINT = "https://exports.example.org/delta-sharing"


@pytest.fixture
def home(installation: Installation) -> Path:
    installation.init()
    installation.add_tenant("acme")
    return installation.home


def _json(done: Done) -> dict[str, object]:
    assert done.code == 0, done.err
    printed: dict[str, object] = json.loads(done.out)
    return printed


def test_an_operator_manages_shared_tables(home: Path, tmp_path: Path) -> None:
    def share(*arguments: str) -> Done:
        return command("share", *arguments, home=home)

    request = tmp_path / "request.json"
    request.write_text('{"report": "calls", "timespan": {"last": "7d"}, "filters": [{"column": "kind", "op": "eq", '
                       '"value": "inbound"}], "format": "csv"}')  # fmt: skip
    refused = {
        ("add", "acme", "calls", "--report", "calls", "--last", "7d"): "SHARE.SCHEMA.TABLE",
        ("add", "acme", CALLS, "--report", "cals", "--last", "7d"): "report: There is no such report; did you mean",
        ("add", "acme", CALLS, "--report", "calls", "--last", "7x"): "timespan.last: This must be a number of",
        ("add", "acme", CALLS, "--report", "calls"): "--request FILE",
        ("add", "acme", CALLS, "--request", str(request)): "files of a shared table are parquet",
        ("add", "acme", CALLS, "--report", "calls", "--last", "7d", "--column", "agent_email", "--no-personal"): (
            "columns.0: There is no such column"
        ),
    }
    for arguments, message in refused.items():
        done = share(*arguments)
        assert (done.code, message in done.err) == (2, True), done.err
    request.write_text(request.read_text().replace("csv", "parquet"))
    assert "nothing was saved" in share("add", "acme", CALLS, "--request", str(request), "--dry-run").out
    assert _json(share("add", "acme", CALLS, "--request", str(request), "--no-personal", "--json"))["personal"] is False
    taken = share("add", "acme", CALLS.upper(), "--report", "calls", "--last", "7d")
    assert (taken.code, "already has a shared table" in taken.err) == (7, True)
    first = _json(share("refresh", "acme", CALLS, "--json"))
    again = _json(share("refresh", "acme", CALLS, "--json"))
    assert (first["new"], again["new"], again["job"]) == (True, False, first["job"])
    shown = _json(share("show", "acme", CALLS, "--json"))
    assert (shown["last_export"], shown["last_status"], shown["versions"]) == (first["job"], "queued", [])
    assert "inbound" not in share("show", "acme", CALLS).out
    unknown = share("show", "acme", "partner.care.cals")
    assert (unknown.code, f"did you mean {CALLS}?" in unknown.err) == (6, True)
    assert _json(share("remove", "acme", CALLS, "--dry-run", "--json"))["removed"] is False
    assert CALLS in share("list", "acme").out
    assert _json(share("remove", "acme", CALLS, "--json"))["removed"] is True
    assert _json(share("list", "acme", "--json"))["tables"] == []


def test_a_recipient_gets_a_profile_that_only_its_owner_can_read(home: Path, tmp_path: Path) -> None:
    add = ("credential", "add", "acme", "--kind", "share")
    file = tmp_path / "partner.share"
    for options, message in {
        (): "set server.public_url",
        ("--endpoint", "exports.example.org"): "does not begin with https://",
        ("--endpoint", ENDPOINT, "--scope", "write"): "a recipient may only read",
        ("--endpoint", ENDPOINT, "--user", "ann@acme.example"): "a recipient is no user",
        ("--endpoint", ENDPOINT, "--profile", str(home / "offtake.toml")): "must not be",
    }.items():
        refused = command(*add, *options, home=home)
        assert (refused.code in (2, 9), message in refused.err) == (True, True), refused.err
    other = command("credential", "add", "acme", "--kind", "token", "--expires-days", "3", home=home)
    assert (other.code, "--expires-days" in other.err) == (2, True)
    assert _json(command("credential", "list", "acme", "--json", home=home))["credentials"][1:] == []  # type: ignore[index]
    limits = ("--share", "Partner", "--no-personal", "--expires-days", "3")
    made = _json(command(*add, *limits, "--endpoint", ENDPOINT, "--profile", str(file), "--json", home=home))
    assert (made["scopes"], made["shares"], made["personal"]) == (["read"], ["partner"], False)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    profile = json.loads(file.read_text())
    assert (profile["shareCredentialsVersion"], profile["endpoint"]) == (1, f"{ENDPOINT}/")
    assert profile["bearerToken"].startswith(f"{made['id']}.")
    assert str(made["expires_at"]) == profile["expirationTime"]
    assert "profile" not in made
    rotated = command("credential", "rotate", str(made["id"]), "--endpoint", ENDPOINT, home=home)
    again = json.loads(rotated.out)
    assert again["bearerToken"] != profile["bearerToken"]
    assert again["expirationTime"] == profile["expirationTime"]
