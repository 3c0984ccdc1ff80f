"""The command against a real server: login, get, resume, verify, errors and Ctrl-C."""

from __future__ import annotations

import json
import os
import pty
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import typer.main
from typer.testing import CliRunner

from offtake_client import Offtake, OfftakeError, __version__
from offtake_client.cli import app
from offtake_client.cli.exits import EXITS, exit_code
from offtake_client.credentials import OAuthClient, find_profile
from tests.fixtures.download_proxy import download_proxy
from tests.fixtures.installation import Served

MARCH = ("--start", "2026-03-01", "--end", "2026-04-01")


def run(*arguments: object, code: int = 0, given: str = "") -> Any:
    """Run a command, which has to end with that code; return what it printed."""
    done = CliRunner().invoke(app, [str(each) for each in arguments], input=given)
    assert done.exit_code == code, done.output
    return done


@pytest.fixture
def logged_in(server: Served, token: str) -> Path:
    """Log in; return the file of the profile."""
    found = json.loads(run("login", server.url, "--json", given=f"{token}\n").stdout)
    return Path(found["file"])


def test_every_command_explains_itself_and_its_options() -> None:
    command: Any = typer.main.get_command(app)
    for name, each in command.commands.items():
        assert (each.help or "").endswith("."), name
        assert [option.name for option in each.params if not getattr(option, "help", None)] == [], name
    shown = " ".join(run("--help").stdout.split())
    assert [code for code, meaning in EXITS.items() if meaning.split(",")[0] not in shown] == []
    assert run("--version").stdout == f"offtake-client {__version__}\n"
    assert {kind.__name__ for kind in _leaves(OfftakeError) if exit_code(kind.__new__(kind)) == 1} == {
        "InternalError",
        "MissingLibrary",
    }


def _leaves(kind: type[OfftakeError]) -> list[type[OfftakeError]]:
    return [leaf for child in kind.__subclasses__() for leaf in (_leaves(child) or [child])]


def test_without_its_libraries_the_command_says_how_to_install_them() -> None:
    script = "import sys; sys.modules['typer'] = None; import offtake_client.__main__ as entry; entry.main()"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, "pip install 'offtake-client[cli]'" in done.stderr) == (1, True), done.stderr


def test_a_login_is_stored_for_its_owner_only(logged_in: Path, server: Served, tmp_path: Path) -> None:
    assert stat.S_IMODE(logged_in.stat().st_mode) == 0o600
    assert str(logged_in).startswith(str(tmp_path))
    credential = server.installation.add_client("acme")
    run(
        "login",
        server.url,
        "--client-id",
        credential.client_id,
        "--profile",
        "oauth",
        given=f"{credential.client_secret}\n",
    )
    stored = find_profile("oauth")
    assert stored.credential == OAuthClient(credential.client_id, credential.client_secret)
    assert "calls" in run("reports", "--profile", "oauth").stdout
    run("login", server.url, "--profile", "wrong", given="wrong\n", code=4)
    assert "There is no profile 'wrong'" in run("reports", "--profile", "wrong", code=3).stderr
    run("logout", "--profile", "oauth")
    assert "offtake-client login" in run("reports", "--profile", "oauth", code=3).stderr


def test_get_verify_and_resume(logged_in: Path, tmp_path: Path) -> None:
    request = ("get", "calls", *MARCH, "--columns", "call_id,kind,talk_seconds", "--where", "talk_seconds=60..")
    folder = tmp_path / "calls"
    estimate = run(*request, "--dry-run")
    assert "Nothing was created." in estimate.stdout
    assert not folder.exists()
    found = json.loads(run(*request, "-o", folder, "--json").stdout)
    file = Path(found["files"][0])
    assert file.parent == folder
    assert file.suffix == ".parquet"
    assert run("verify", folder, "--quiet").stdout == f"{file}: correct\n"
    assert run("resume", folder).stdout.startswith("Nothing is to be resumed")
    content = bytearray(file.read_bytes())
    content[100] ^= 1
    file.write_bytes(content)
    failed = run("verify", file, code=8)
    assert f"offtake-client resume {folder}" in failed.stderr
    run("resume", folder)
    assert json.loads(run("verify", file, "--json").stdout)["passed"] is True
    listed = json.loads(run("jobs", "--json", "-n", 1).stdout)["exports"]
    assert listed[0]["id"] == found["export"]
    assert "succeeded" in run("watch", found["export"]).stdout
    assert "has ended already" in run("cancel", found["export"], "--dry-run").stdout
    assert run("cancel", found["export"], code=11).stderr.startswith("offtake-client: ")


def test_reading_commands_and_errors(logged_in: Path, tmp_path: Path) -> None:
    assert "talk_seconds" in run("describe", "calls").stdout
    assert json.loads(run("limits", "--json").stdout)["limits"]["open_exports"] == 20
    shown = run(
        "preview", "calls", *MARCH, "--columns", "kind,call_id", "--where", "kind=inbound,outbound", "--rows", 2
    )
    assert shown.stdout.split()[:2] == ["kind", "call_id"]
    assert len(shown.stdout.splitlines()) == 3
    assert "did you mean 'call_id'" in run("get", "calls", *MARCH, "--columns", "cal_id", "-o", tmp_path, code=2).stderr
    assert "Write column=value." in run("preview", "calls", *MARCH, "--where", "kind", code=2).stderr
    assert "no number" in run("preview", "calls", *MARCH, "--where", "talk_seconds=long", code=2).stderr
    run("describe", "cals", code=5)
    run("verify", tmp_path, code=9)
    os.environ["OFFTAKE_CLIENT_URL"], os.environ["OFFTAKE_CLIENT_TOKEN"] = "example.com", "x"
    try:
        assert "https://exports.example.com" in run("reports", code=3).stderr
    finally:
        del os.environ["OFFTAKE_CLIENT_URL"], os.environ["OFFTAKE_CLIENT_TOKEN"]


@pytest.mark.parametrize("option", ["", "--cancel-on-exit"])
def test_ctrl_c_leaves_the_export_or_cancels_it(
    server: Served, token: str, tmp_path: Path, offtake: Offtake, option: str
) -> None:
    """On a terminal, so that there are progress bars; the workers are stopped, so that the export stays open."""
    worker = server.running.workers()[0]
    with download_proxy(server.url) as proxy:
        waiting = threading.Event()
        proxy.on_request = lambda line: waiting.set() if line.startswith("GET /v1/exports/") else None
        leader, follower = pty.openpty()
        command = [sys.executable, "-m", "offtake_client", "get", "calls", *MARCH, "-o", str(tmp_path / "out")]
        environment = {**os.environ, "OFFTAKE_CLIENT_URL": proxy.url, "OFFTAKE_CLIENT_TOKEN": token, "TERM": "xterm"}
        worker.suspend()
        try:
            process = subprocess.Popen([*command, *filter(None, [option])], stderr=follower, env=environment)
            os.close(follower)
            assert waiting.wait(60)
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == 130
        finally:
            worker.resume()
        shown = os.read(leader, 65536).decode()
        os.close(leader)
        export = next(offtake.exports(report="calls"))
        assert export.id in shown
        with Offtake(proxy.url, token=token) as again:
            unfinished = [found.id for found in again.unfinished(tmp_path / "out")]
    if option:
        assert (export.state, unfinished) == ("cancelled", [])
        assert "is cancelled" in shown
    else:
        assert unfinished == [export.id]
        assert f"offtake-client resume {tmp_path / 'out'}" in shown
        assert export.wait().state == "succeeded"
