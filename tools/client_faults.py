"""Breaks downloads of the client, and kills scripts that use it: PYTHONPATH=. .venv/bin/python tools/client_faults.py

``--cuts 200 --rows 4400000`` downloads one file of about 2 GB through a proxy that closes and resets connections, ends
bodies early, flips bits and sends another file, while the server is killed and started again. ``--kills 50`` kills a
script with kill -9 at random moments and starts it again. Prints one JSON object; exits with 1 if a rule is broken.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import subprocess
import sys
import tempfile
import threading
import time
from datetime import date
from pathlib import Path
from typing import Any

from offtake_client import Offtake, verify

from tests.fixtures import loop
from tests.fixtures.download_proxy import Damage, DownloadProxy, download_proxy
from tests.fixtures.installation import Installation

MARCH: dict[str, Any] = {"start": "2026-03-01", "end": "2026-04-01"}
CUTS = (Damage.CLOSED, Damage.RESET, Damage.SHORT, Damage.FLIPPED, Damage.CHANGED)
SETTINGS = "[native]\ncreates_per_minute = 100000\n"
SCRIPT = """
import sys
from offtake_client import Offtake
url, token, target = sys.argv[1:]
with Offtake(url, token=token) as offtake:
    offtake.export("calls", start="2026-03-01", end="2026-04-01", format="csv", target=target).download()
"""


def cut(installation: Installation, token: str, folder: Path, cuts: int, seed: int) -> dict[str, Any]:
    """Download one file through ``cuts`` faults and two deaths of the server; return what was measured."""
    running = installation.serve(workers=1)
    chance = random.Random(seed)
    with download_proxy(running.url) as proxy, Offtake(proxy.url, token=token, note=lambda _: None) as offtake:
        export = offtake.export("calls", **MARCH, format="csv", target=folder)
        export.wait()
        file = export.manifest().files[0]
        proxy.damage = _planned(proxy, chance, cuts, file.bytes)
        watch = _Watch(folder / file.name, file.sha256)
        begin = time.monotonic()
        deaths = threading.Thread(target=_kill_server, args=(installation, proxy, file.bytes, 2))
        deaths.start()
        export.download()
        seconds = time.monotonic() - begin
        deaths.join()
        watch.end()
    blocks = file.blocks.size if file.blocks else file.bytes
    damaged = proxy.damages[Damage.FLIPPED] + proxy.damages[Damage.CHANGED]
    allowed = 1.02 * file.bytes + damaged * min(blocks, file.bytes)
    digest = hashlib.sha256((folder / file.name).read_bytes()).hexdigest()
    return {
        "bytes": file.bytes,
        "sent": proxy.sent,
        "allowed": round(allowed),
        "faults": {each.name.lower(): count for each, count in proxy.damages.items()},
        "server_deaths": 2,
        "seconds": round(seconds, 1),
        "right": digest == file.sha256,
        "wrong_file_seen": watch.seen,
        "passed": digest == file.sha256 and not watch.seen and proxy.sent <= allowed,
    }


def _planned(proxy: DownloadProxy, chance: random.Random, cuts: int, size: int) -> Any:
    """Damage responses evenly over the file: when so many bytes were sent as belong to the next fault."""

    def damage() -> Damage | None:
        due = (proxy.damages.total() + 0.0) * size / cuts
        if proxy.damages.total() >= cuts or proxy.sent < due:
            return None
        # A flipped bit costs a block, so most faults are cuts.
        return chance.choices(CUTS, weights=(30, 30, 30, 5, 5))[0]

    return damage


def _kill_server(installation: Installation, proxy: DownloadProxy, size: int, times: int) -> None:
    for number in range(1, times + 1):
        while proxy.sent < size * number / (times + 1):
            time.sleep(0.05)
        installation.servers[-1].kill()
        parts = installation.serve(workers=1).url.rsplit(":", 1)
        proxy.target = ("127.0.0.1", int(parts[1]))


class _Watch:
    """Looks for a wrong file under the final name."""

    def __init__(self, path: Path, sha256: str) -> None:
        self.seen = False
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, args=(path, sha256), daemon=True)
        self._thread.start()

    def _watch(self, path: Path, sha256: str) -> None:
        while not self._ended.wait(0.05):
            if path.exists():
                with path.open("rb") as file:
                    self.seen = hashlib.file_digest(file, "sha256").hexdigest() != sha256
                return

    def end(self) -> None:
        """Stop looking."""
        self._ended.set()
        self._thread.join()


def _is_complete(folder: Path) -> bool:
    """Whether the script was killed after its files were complete: if it starts again, it creates another export."""
    return any(folder.glob("*.manifest.json")) and not any(folder.glob(".offtake-request-*"))


def kill(installation: Installation, token: str, folder: Path, kills: int, seed: int) -> dict[str, Any]:
    """Kill a script at random moments, start it again until it ends; return the exports that it created."""
    running, chance = installation.serve(workers=1), random.Random(seed)
    command = [sys.executable, "-c", SCRIPT, running.url, token, str(folder)]
    killed, rounds, right, wrong_jobs = 0, 0, 0, 0
    folder.mkdir()
    with Offtake(running.url, token=token) as offtake:
        while killed < kills:
            before = {each.id for each in offtake.exports()}
            while True:
                with subprocess.Popen(command, stderr=subprocess.DEVNULL) as script:
                    try:
                        script.wait(chance.uniform(0.1, 2.0) if killed < kills else 120)
                    except subprocess.TimeoutExpired:
                        script.kill()
                        killed += 1
                if script.returncode == 0 or _is_complete(folder):
                    break
            rounds += 1
            wrong_jobs += len({each.id for each in offtake.exports()} - before) != 1
            right += all(not each.fault for each in verify(folder))
            for path in folder.iterdir():
                path.unlink()
    passed = right == rounds and not wrong_jobs
    return {"kills": killed, "rounds": rounds, "right": right, "not_one_job": wrong_jobs, "passed": passed}


def main() -> int:
    """Run what the arguments ask for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000, help="calls of the export; one has about 460 bytes")
    parser.add_argument("--cuts", type=int, default=0, help="faults of one download")
    parser.add_argument("--kills", type=int, default=0, help="deaths of a script")
    parser.add_argument("--seed", type=int, default=16)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="client-faults-") as name:
        folder, installation = Path(name), Installation(Path(name) / "home")
        installation.init(SETTINGS)
        installation.add_tenant("acme")
        sys.stderr.write(f"client_faults: making {given.rows} calls\n")
        installation.seed("acme", calls=given.rows, until=date(2026, 3, 31))
        token = loop.token(installation, "acme", user=None)
        try:
            found: dict[str, Any] = {}
            if given.cuts:
                found["cuts"] = cut(installation, token, folder / "cuts", given.cuts, given.seed)
            if given.kills:
                found["kills"] = kill(installation, token, folder / "kills", given.kills, given.seed)
        finally:
            installation.close()
    sys.stdout.write(json.dumps(found, indent=1) + "\n")
    return 0 if all(each["passed"] for each in found.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
