"""Runs the manual's shell blocks as pasted: one after the other, in one bash, against a real server."""

from __future__ import annotations

import csv
import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from urllib.request import Request, urlopen

from sqlalchemy import create_engine, make_url, text

from offtake.executor.settings import TemporalSettings
from offtake.wire.khoros.settings import KhorosSettings
from offtake.wire.loop.settings import LoopSettings
from tests.fixtures.buckets import S3Server
from tests.fixtures.installation import Installation
from tests.fixtures.workers import create_job, job_row, run_next_attempt

ROOT = Path(__file__).parents[2]
NOTHING: Mapping[str, str] = MappingProxyType({})
BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)


def _free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def _paste(page: str, folder: Path, *, elsewhere: Mapping[str, str] = NOTHING) -> str:
    """Run all blocks of a page in ``folder`` as if it were the checkout, on free ports; return their output.

    ``elsewhere`` maps URLs of the page to those of the test's servers.
    """
    ports = {"8080": _free_port(), "7233": _free_port()}
    (folder / ".venv").symlink_to(sys.prefix)
    script = "\n".join(BLOCK.findall((ROOT / page).read_text("utf-8")))
    for theirs, ours in elsewhere.items():
        assert theirs in script
        script = script.replace(theirs, ours)
    script = re.sub(r"\b(8080|7233)\b", lambda port: ports[port[0]], script)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OFFTAKE_")}
    # No pipes, because the server would inherit them.
    with (folder / "stdout").open("wb") as out, (folder / "stderr").open("wb") as err:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", f"trap 'kill $(jobs -p) 2>/dev/null && wait || true' EXIT\n{script}"],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            timeout=240,
            check=False,
        )
    printed = (folder / "stdout").read_text("utf-8")
    assert done.returncode == 0, printed + (folder / "stderr").read_text("utf-8")
    assert _not_ignored(folder) == [], f".gitignore lacks files that {page} writes into the checkout"
    return printed


def _not_ignored(folder: Path) -> list[str]:
    """Return the files and folders that a commit would include if ``folder`` were the checkout."""
    ours = {".venv", "stdout", "stderr"}
    written = {path.name + "/" * path.is_dir() for path in folder.iterdir() if path.name not in ours}
    command = ["git", "check-ignore", "--stdin"]
    done = subprocess.run(command, cwd=ROOT, input="\n".join(written), capture_output=True, text=True, check=False)
    if done.returncode not in {0, 1}:
        return []  # the sources are not in a repository
    return sorted(written - set(done.stdout.splitlines()))


def test_readme(tmp_path: Path) -> None:
    _paste("README.md", tmp_path)
    with (tmp_path / "calls.csv").open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    assert "Call Id" in header
    assert {len(row) for row in rows} == {len(header)}
    assert 4950 <= len(rows) <= 5000  # a call may end after the last day


def test_moving_from_khoros(tmp_path: Path) -> None:
    printed = _paste("docs/how-to/move-from-khoros.md", tmp_path)
    assert "PASS" in printed.splitlines()
    with (tmp_path / "conversations.csv").open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    assert header[:2] == ["Conversation ID", "Status"]
    assert len(rows) > 10
    for name in ("teams", "timezones"):
        assert json.loads((tmp_path / f"{name}.json").read_text("utf-8"))["result"]
    for name in ("smartviews", "workqueues"):
        assert json.loads((tmp_path / f"{name}.json").read_text("utf-8"))["data"]


def test_keeping_files_in_object_storage(tmp_path: Path, moto: S3Server) -> None:
    with urlopen(Request(f"{moto.url}/care", method="PUT"), timeout=60):
        printed = _paste("docs/how-to/use-object-storage.md", tmp_path, elsewhere={"http://127.0.0.1:9000": moto.url})
    assert 'artifacts_url = "s3://care/artifacts"' in printed.splitlines()
    assert list(moto.bucket("care", "lake").keys("call/tenant=acme"))
    assert not list((tmp_path / "home" / "lake").iterdir())


def test_using_postgresql(tmp_path: Path, postgresql: str) -> None:
    home = Installation(tmp_path / "postgresql-home")
    home.init()
    home.add_tenant("acme")
    done, waiting = create_job(home), create_job(home)
    with home.services() as on:
        assert run_next_attempt(on).id == done
    page = "docs/how-to/use-postgresql.md"
    engine = create_engine(postgresql, isolation_level="AUTOCOMMIT")
    (statements,) = re.findall(r"^```sql\n(.*?)^```", (ROOT / page).read_text("utf-8"), re.MULTILINE | re.DOTALL)
    with engine.connect() as connection:
        for statement in statements.strip().splitlines():
            connection.execute(text(statement))
    engine.dispose()
    ours = make_url(postgresql).set(drivername="postgresql", username="offtake", database="offtake")
    url = ours.render_as_string(hide_password=False)
    theirs = "postgresql://offtake:PASSWORD@db.example.com:5432/offtake"
    elsewhere = {theirs: url, theirs.replace(":PASSWORD", ""): url.replace("offtake:@", "offtake@")}
    printed = _paste(page, tmp_path, elsewhere=elsewhere)
    assert [line for line in printed.splitlines() if "state_url" in line and str(ours) in line]
    assert {job for job in (done, waiting) if job in printed} == {done, waiting}
    with home.database() as database:
        assert database.url.database == "offtake"
    assert (job_row(home, done)["status"], job_row(home, done)["attempts"]) == ("succeeded", 1)


def test_every_khoros_option_is_on_that_page() -> None:
    """Every proposed behaviour has an option, which the page describes."""
    page = (ROOT / "docs" / "how-to" / "move-from-khoros.md").read_text("utf-8")
    missing = [name for name in KhorosSettings.model_fields if f"`{name}`" not in page]
    assert missing == [], "add these options to the table of docs/how-to/move-from-khoros.md"


def test_tutorial(tmp_path: Path) -> None:
    printed = _paste("docs/tutorials/first-export.md", tmp_path)
    assert printed.splitlines()[-1] == "the file is what the server sent"
    assert "created" in printed.splitlines()
    assert "done" in printed.splitlines()
    document = json.loads((tmp_path / "calls.json").read_text("utf-8"))
    assert document["total"] == len(document["entries"])
    assert 1980 <= document["total"] <= 2000  # a call may end after the last day


def test_loading_your_own_data(tmp_path: Path) -> None:
    _paste("docs/how-to/load-your-own-data.md", tmp_path)


def test_a_plain_script_that_pulls(tmp_path: Path) -> None:
    printed = _paste("docs/how-to/use-airbyte.md", tmp_path).splitlines()
    found = {line.split()[-1]: int(line.split()[0]) for line in printed if " rows of " in line}
    assert found.keys() == {"calls", "user_status", "contacts"}
    assert 495 <= found["calls"] <= 500  # a call may end after the last day
    assert all(found.values())
    assert "is revoked" in printed[-1]


def test_adding_a_report(tmp_path: Path) -> None:
    printed = _paste("docs/how-to/add-your-own-report.md", tmp_path)
    assert "talkdesk missed_calls" in printed
    with (tmp_path / "missed.csv").open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["Call Id", "End At", "Wait Time", "Team Name"]
    assert len(rows) > 100


def test_moving_from_loop(tmp_path: Path) -> None:
    printed = _paste("docs/how-to/move-from-loop.md", tmp_path).splitlines()
    assert "Completed" in printed
    assert printed[-1] == "Processing"
    rows = json.loads((tmp_path / "conversations.json").read_text("utf-8"))
    assert len(rows) > 20
    assert rows == sorted(rows, key=lambda row: (datetime.fromisoformat(row["createdAt"]), row["conversationId"]))


def test_every_loop_option_is_on_that_page() -> None:
    page = (ROOT / "docs" / "how-to" / "move-from-loop.md").read_text("utf-8")
    missing = [name for name in LoopSettings.model_fields if f"`{name}`" not in page]
    assert missing == [], "add these options to the table of docs/how-to/move-from-loop.md"


def test_using_temporal(tmp_path: Path) -> None:
    printed = _paste("docs/how-to/use-temporal.md", tmp_path)
    assert "created" in printed.splitlines()
    assert "succeeded" in printed
    with (tmp_path / "calls.csv").open(encoding="utf-8", newline="") as file:
        assert 1800 <= len(list(csv.reader(file))) - 1 <= 2000


def test_every_temporal_option_is_on_that_page() -> None:
    page = (ROOT / "docs" / "how-to" / "use-temporal.md").read_text("utf-8")
    missing = [name for name in TemporalSettings.model_fields if name not in page.lower()]
    assert missing == [], "add these options to docs/how-to/use-temporal.md"
