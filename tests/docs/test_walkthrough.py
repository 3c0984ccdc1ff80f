"""Runs the manual's shell blocks as pasted: page after page in one checkout, each in one bash, with real servers."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import MappingProxyType
from urllib.request import Request, urlopen

import pytest
from sqlalchemy import create_engine, make_url, text

from offtake.executor.settings import TemporalSettings
from offtake.home import Home
from offtake.wire.khoros.settings import KhorosSettings
from offtake.wire.loop.settings import LoopSettings
from tests.fixtures.buckets import S3Server
from tests.fixtures.installation import Installation
from tests.fixtures.workers import CALLS, create_job, job_row, run_next_attempt

ROOT = Path(__file__).parents[2]
NOTHING: Mapping[str, str] = MappingProxyType({})
Paste = Callable[..., str]
BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)


def _free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the pages run one after the other, as in one checkout. No page may disturb another one."""
    folder = tmp_path_factory.mktemp("checkout")
    (folder / ".venv").symlink_to(sys.prefix)
    return folder


@pytest.fixture(scope="module")
def ports() -> Mapping[str, str]:
    """The ports of the pages, and those of the test. A page that leaves a server behind makes the next one fail."""
    return {"8080": _free_port(), "7233": _free_port()}


@pytest.fixture
def paste(checkout: Path, ports: Mapping[str, str], tmp_path: Path) -> Paste:
    """Runs all blocks of a page; returns their output. ``elsewhere`` maps URLs of the page to those of the test."""

    def run(page: str, elsewhere: Mapping[str, str] = NOTHING) -> str:
        script = _script(page, ports, elsewhere)
        script += '\n[ -z "$(jobs -rp)" ] || { echo "the page leaves processes behind" >&2; exit 1; }\n'
        before = _kept(checkout)
        # No pipes, because the server would inherit them.
        with (tmp_path / "stdout").open("wb") as out, (tmp_path / "stderr").open("wb") as err:
            done = subprocess.run(
                [
                    "bash",
                    "-euo",
                    "pipefail",
                    "-c",
                    f"trap 'kill $(jobs -p) 2>/dev/null && wait || true' EXIT\n{script}",
                ],
                cwd=checkout,
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                timeout=240,
                check=False,
            )
        printed = (tmp_path / "stdout").read_text("utf-8")
        assert done.returncode == 0, printed + (tmp_path / "stderr").read_text("utf-8")
        assert _not_ignored(checkout) == [], f".gitignore lacks files that {page} writes into the checkout"
        after = _kept(checkout)
        lost = [path for path, text in before.items() if text not in after.get(path, b"")]
        assert lost == [], f"{page} overwrites files of a home"
        settings = [text for path, text in after.items() if path.name == "offtake.toml"]
        assert [text for text in settings if b"# Settings of this installation." not in text] == []
        return printed

    return run


def _script(page: str, ports: Mapping[str, str], elsewhere: Mapping[str, str] = NOTHING) -> str:
    script = "\n".join(BLOCK.findall((ROOT / page).read_text("utf-8")))
    for theirs, ours in elsewhere.items():
        assert theirs in script
        script = script.replace(theirs, ours)
    return re.sub(r"\b(8080|7233)\b", lambda port: ports[port[0]], script)


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("OFFTAKE_")}


def _kept(checkout: Path) -> dict[Path, bytes]:
    """Return the files that no page may overwrite, once they exist."""
    files = (path for name in ("offtake.toml", "credential.json") for path in checkout.glob(f"*-home/{name}"))
    return {path: path.read_bytes() for path in files}


def _not_ignored(folder: Path) -> list[str]:
    """Return the files and folders that a commit would include if ``folder`` were the checkout."""
    written = {path.name + "/" * path.is_dir() for path in folder.iterdir() if path.name != ".venv"}
    command = ["git", "check-ignore", "--stdin"]
    done = subprocess.run(command, cwd=ROOT, input="\n".join(written), capture_output=True, text=True, check=False)
    if done.returncode not in {0, 1}:
        return []  # the sources are not in a repository
    return sorted(written - set(done.stdout.splitlines()))


class _Failed(BaseHTTPRequestHandler):
    """Answers every request as a server would whose exports fail, in all dialects at once."""

    status = 200

    def do_GET(self) -> None:
        """Send the response."""
        here = f"http://{self.headers['Host']}/x"
        run = {"runnerState": "CLOSED", "detail": "FAILED"}
        job = {"id": "1", "status": "failed"}
        body = {"access_token": "t", "id": "1", "status": "failed", "job": job, "url": here, "entries": []}
        body["result"] = {"statusUrl": here, "result": run, "jobInfo": {"downloadUrl": here}}
        self.send_response(self.status)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def do_POST(self) -> None:
        """Send the same response."""
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.do_GET()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as in the base class
        """Log nothing."""


class _Refused(_Failed):
    """Refuses every request."""

    status = 401


POLLING_PAGES = (
    "README.md",
    "docs/tutorials/first-export.md",
    "docs/how-to/add-your-own-report.md",
    "docs/how-to/move-from-khoros.md",
    "docs/how-to/move-from-loop.md",
    "docs/how-to/use-temporal.md",
)


@pytest.mark.parametrize("handler", [_Failed, _Refused])
def test_the_loops_of_the_pages_end_if_an_export_fails_or_a_request_is_refused(
    handler: type[_Failed], tmp_path: Path
) -> None:
    """As in an interactive shell, in which a failed command does not stop the page. ``offtake`` itself fails."""
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    for name in ("offtake", "temporal"):
        (tmp_path / ".venv" / "bin" / name).symlink_to("/bin/false")
    (tmp_path / ".venv" / "bin" / "python").symlink_to(sys.executable)
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    running = {}
    for number, page in enumerate(POLLING_PAGES):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / ".venv").symlink_to("../.venv")
        script = _script(page, {"8080": str(server.server_port), "7233": "1"})
        assert "sleep" in script
        running[page] = subprocess.Popen(
            ["bash", "-c", script],
            cwd=folder,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + 120
        assert [page for page, shell in running.items() if not _ends(shell, deadline)] == []
    finally:
        for shell in running.values():
            if shell.poll() is None:
                os.killpg(shell.pid, signal.SIGKILL)
                shell.wait()
        server.shutdown()
        server.server_close()


def _ends(shell: subprocess.Popen[bytes], deadline: float) -> bool:
    try:
        shell.wait(max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        return False
    return True


def test_readme(checkout: Path, paste: Paste) -> None:
    paste("README.md")
    with (checkout / "calls.csv").open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    assert "Call Id" in header
    assert {len(row) for row in rows} == {len(header)}
    assert 4950 <= len(rows) <= 5000  # a call may end after the last day


def test_moving_from_khoros(checkout: Path, paste: Paste) -> None:
    printed = paste("docs/how-to/move-from-khoros.md")
    assert "PASS" in printed.splitlines()
    with (checkout / "conversations.csv").open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    assert header[:2] == ["Conversation ID", "Status"]
    assert len(rows) > 10
    for name in ("teams", "timezones"):
        assert json.loads((checkout / f"{name}.json").read_text("utf-8"))["result"]
    for name in ("smartviews", "workqueues"):
        assert json.loads((checkout / f"{name}.json").read_text("utf-8"))["data"]


def test_keeping_files_in_object_storage(checkout: Path, paste: Paste, moto: S3Server) -> None:
    with urlopen(Request(f"{moto.url}/care", method="PUT"), timeout=60):
        printed = paste("docs/how-to/use-object-storage.md", elsewhere={"http://127.0.0.1:9000": moto.url})
    assert 'artifacts_url = "s3://care/artifacts"' in printed.splitlines()
    assert list(moto.bucket("care", "lake").keys("call/tenant=acme"))
    assert not list((checkout / "storage-home" / "lake").iterdir())


def test_using_postgresql(checkout: Path, paste: Paste, postgresql: str) -> None:
    home = Installation(checkout / "postgresql-home")
    Home(home.home).create()
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
    printed = paste(page, elsewhere=elsewhere)
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


def test_tutorial(checkout: Path, paste: Paste) -> None:
    printed = paste("docs/tutorials/first-export.md").splitlines()
    assert printed[-1] == "calls.ndjson: OK"
    assert printed.index("queued") < printed.index("succeeded")
    rows = [json.loads(line) for line in (checkout / "calls.ndjson").read_text("utf-8").splitlines()]
    manifest = json.loads((checkout / "manifest.json").read_text("utf-8"))
    assert len(rows) == manifest["rows"] > 500
    assert [row["talk_seconds"] for row in rows] == sorted((row["talk_seconds"] for row in rows), reverse=True)


def test_downloading_with_python(paste: Paste) -> None:
    printed = paste("docs/how-to/download-with-python.md").splitlines()
    assert [line.split()[1] for line in printed if line.startswith("done ")] == ["100.0"]
    (calls,) = (int(line.split()[0]) for line in printed if line.endswith(" seconds"))
    assert calls > 100
    files = [line.split(": ") for line in printed if line.endswith(": correct")]
    assert [Path(path).suffix for path, _ in files] == [".parquet", ".csv"]
    (compared,) = [line for line in printed if line.endswith("when it matched the SHA-256 that the server stated")]
    downloaded = Path(compared.partition(": ")[0])
    assert (str(downloaded) in printed, downloaded.suffix) == (True, ".csv")


def test_sharing_exports(checkout: Path, paste: Paste) -> None:
    """``tests/contract/sharing/test_client.py`` runs the lines for pandas."""
    if not (checkout / "tutorial-home").exists():  # the page continues it
        paste("docs/tutorials/first-export.md")
    printed = paste("docs/how-to/read-by-delta-sharing.md")
    assert (checkout / "partner.share").stat().st_mode & 0o777 == 0o600
    assert '"share":"partner","id":' in printed
    assert "delta-table-version: 0" in printed


def test_loading_into_a_warehouse(checkout: Path, paste: Paste) -> None:
    """``clients/python/tests/test_sql.py`` executes and parses the statements."""
    if not (checkout / "tutorial-home").exists():  # the page continues it
        paste("docs/tutorials/first-export.md")
    printed = paste("docs/how-to/load-into-a-warehouse.md")
    (rows,) = (int(line.split()[0]) for line in printed.splitlines() if line.endswith(" calls in DuckDB"))
    manifest = next((checkout / "tutorial-home" / "calls").glob("*.manifest.json"))
    assert rows == json.loads(manifest.read_text("utf-8"))["rows"] > 500
    starts = [line for line in printed.splitlines() if line.startswith(("COPY", "LOAD DATA"))]
    assert starts == [
        'COPY INTO "CARE"."PUBLIC"."CALLS"',
        "LOAD DATA INTO `project`.`care`.`calls`",
        starts[2],
        "COPY INTO `main`.`care`.`calls`",
    ]
    assert starts[2].startswith('COPY "calls" ("call_id"')


def test_loading_your_own_data(paste: Paste) -> None:
    paste("docs/how-to/load-your-own-data.md")
    printed = paste("docs/how-to/change-loaded-data.md").splitlines()
    assert [line for line in printed if line.endswith(" deleted")] == [
        f"{number:>10} deleted" for number in (1, 1, 1, 1, 1)
    ]


def test_loading_exports_of_other_products(checkout: Path, paste: Paste) -> None:
    """At most ten lines of each draft are edited, all others are in it, and exports of the reports have the rows."""
    home = Installation(checkout / "load-home")
    if not home.home.exists():  # the page continues another one
        Home(home.home).create()
    paste("docs/how-to/load-exports-of-other-products.md")
    for name, edits in (("calls", 6), ("tickets", 8), ("contacts", 7)):
        draft = {
            line.partition("  # ")[0]
            for line in (checkout / "layouts" / f"{name}-draft.toml").read_text("utf-8").splitlines()
        }
        shipped = (checkout / "layouts" / f"{name}.toml").read_text("utf-8").splitlines()
        assert [line for line in shipped if line not in draft and not line.endswith("  # edited")] == []
        assert sum(line.endswith("  # edited") for line in shipped) == edits <= 10
    wanted = {"calls": 5, "contacts": 3, "conversation": 2, "user": 4}
    for report in wanted:
        create_job(home, replace(CALLS, dialect="native", report=report), tenant="desk")
    with home.services() as on:
        done = [job_row(home, run_next_attempt(on).id) for _ in wanted]
    assert {row["report"]: (row["status"], row["rows"]) for row in done} == {
        report: ("succeeded", rows) for report, rows in wanted.items()
    }


def test_a_plain_script_that_pulls(paste: Paste) -> None:
    printed = paste("docs/how-to/use-airbyte.md").splitlines()
    found = {line.split()[-1]: int(line.split()[0]) for line in printed if " rows of " in line}
    assert found.keys() == {"calls", "user_status", "contacts"}
    assert 495 <= found["calls"] <= 500  # a call may end after the last day
    assert all(found.values())
    assert "is revoked" in printed[-1]


def test_adding_a_report(checkout: Path, paste: Paste) -> None:
    printed = paste("docs/how-to/add-your-own-report.md")
    assert "talkdesk missed_calls" in printed
    with (checkout / "missed.csv").open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["Call Id", "End At", "Wait Time", "Team Name"]
    assert len(rows) > 100


def test_moving_from_loop(checkout: Path, paste: Paste) -> None:
    printed = paste("docs/how-to/move-from-loop.md").splitlines()
    assert "Completed" in printed
    assert printed[-1] == "Processing"
    rows = json.loads((checkout / "conversations.json").read_text("utf-8"))
    assert len(rows) > 20
    assert rows == sorted(rows, key=lambda row: (datetime.fromisoformat(row["createdAt"]), row["conversationId"]))


def test_every_loop_option_is_on_that_page() -> None:
    page = (ROOT / "docs" / "how-to" / "move-from-loop.md").read_text("utf-8")
    missing = [name for name in LoopSettings.model_fields if f"`{name}`" not in page]
    assert missing == [], "add these options to the table of docs/how-to/move-from-loop.md"


def test_using_temporal(checkout: Path, paste: Paste) -> None:
    printed = paste("docs/how-to/use-temporal.md")
    assert "created" in printed.splitlines()
    assert "succeeded" in printed
    with (checkout / "calls.csv").open(encoding="utf-8", newline="") as file:
        assert 1800 <= len(list(csv.reader(file))) - 1 <= 2000


def test_every_temporal_option_is_on_that_page() -> None:
    page = (ROOT / "docs" / "how-to" / "use-temporal.md").read_text("utf-8")
    missing = [name for name in TemporalSettings.model_fields if name not in page.lower()]
    assert missing == [], "add these options to docs/how-to/use-temporal.md"
