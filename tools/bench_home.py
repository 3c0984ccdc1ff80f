"""The benchmark's home folder: each run creates it and copies the lake from a cache that takes a minute to fill."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from offtake_process import run_for_json, run_visibly

TENANT = "acme"
_SOURCES = Path(__file__).parents[1] / "src" / "offtake" / "lake"


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchHome:
    """A home with one tenant, its calls and a credential."""

    path: Path
    start: datetime
    end: datetime
    client_id: str
    client_secret: str


def prepare(folder: Path, calls: int, *, only: Sequence[str] = ()) -> BenchHome:
    """Create a home in ``folder``. The sample data is created when the lake's code or the number of calls has changed.

    ``only`` names the tables to fill; without it, all are filled.
    """
    folder.mkdir(parents=True, exist_ok=True)
    cached = folder / f"lake-{calls}-{'-'.join(only) or 'whole'}-{_fingerprint()}"
    home = folder / "home"
    shutil.rmtree(home, ignore_errors=True)
    run_visibly("init", "--home", str(home))
    with (home / "offtake.toml").open("a") as settings:  # sample data has no late rows
        settings.write("\n[talkdesk]\nfreshness_seconds = 0\nrequests_per_minute = 1000000\n")
        settings.write("[worker]\nmemory_mb = 256\nthreads = 2\n")
    run_visibly("tenant", "add", TENANT, "--home", str(home))
    if not cached.is_dir():
        _fill(home, cached, calls, only)
    shutil.rmtree(home / "lake", ignore_errors=True)
    shutil.copytree(
        cached, home / "lake", copy_function=os.link
    )  # safe, because the lake never changes a file it has written
    last_day = date.fromisoformat(json.loads((cached / "seeded.json").read_text())["until"])
    credential = run_for_json("credential", "add", TENANT, "--home", str(home), "--kind", "oauth")
    end = datetime.combine(last_day + timedelta(days=1), datetime.min.time(), tzinfo=UTC)
    return BenchHome(
        path=home,
        start=end - timedelta(days=31),
        end=end,
        client_id=credential["client_id"],
        client_secret=credential["client_secret"],
    )


def _fill(home: Path, cached: Path, calls: int, only: Sequence[str]) -> None:
    for old in cached.parent.glob("lake-*"):
        shutil.rmtree(old)
    until = datetime.now(UTC).date()
    tables = [word for name in only for word in ("--table", name)]
    plan = ["--tenant", TENANT, "--calls", str(calls), "--until", str(until)]
    run_visibly("seed", "--home", str(home), *plan, *tables)
    (home / "lake" / "seeded.json").write_text(json.dumps({"until": str(until)}))
    (home / "lake").rename(cached)


def _fingerprint() -> str:
    digest = hashlib.sha256()
    for path in sorted(_SOURCES.rglob("*.*")):
        if path.is_file() and path.suffix != ".pyc":
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]
