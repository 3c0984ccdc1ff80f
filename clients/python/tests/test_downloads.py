"""Downloads through a proxy that breaks them, and of scripts that are killed."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from offtake_client import AsyncOfftake, Export, Offtake, verify
from offtake_client.errors import DamagedFile, DiskFull, FileChanged, Gone, TargetInUse
from tests.fixtures.disks import small_disk
from tests.fixtures.download_proxy import Damage, DownloadProxy, download_proxy
from tests.fixtures.installation import Served

MARCH: dict[str, Any] = {"start": "2026-03-01", "end": "2026-04-01"}
BLOCK = 32 * 1024
BROKEN = [each for each in Damage if each is not Damage.BUSY]
SCRIPT = """
import sys
from offtake_client import Offtake
url, token, target = sys.argv[1:]
with Offtake(url, token=token, patience=5) as offtake:
    offtake.export("calls", start="2026-03-01", end="2026-04-01", format="csv", target=target).download()
"""


@pytest.fixture
def proxy(server: Served) -> Iterator[DownloadProxy]:
    """A proxy in front of the server, behind which files have many blocks."""
    with download_proxy(server.url) as made:
        made.block_bytes = BLOCK
        made.random.seed(16)
        yield made


@pytest.fixture
def export(proxy: DownloadProxy, token: str) -> Iterator[Export]:
    """A finished export of one CSV file, read through the proxy."""
    with Offtake(proxy.url, token=token, note=lambda _: None) as offtake:
        made = offtake.export("calls", **MARCH, format="csv")
        made.wait()
        yield made


def test_a_download_that_breaks_all_the_time_gives_the_right_file(
    proxy: DownloadProxy, export: Export, tmp_path: Path
) -> None:
    expected = export.manifest().files[0]
    chance = random.Random(7)
    proxy.damage = lambda: chance.choice(BROKEN) if chance.random() < 0.6 and proxy.damages.total() < 100 else None
    final = tmp_path / expected.name
    wrong: list[str] = []
    watching = threading.Event()

    def watch() -> None:
        while not watching.wait(0.005):
            if final.exists() and hashlib.sha256(final.read_bytes()).hexdigest() != expected.sha256:
                wrong.append("a wrong file has the final name")

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        export.download(tmp_path)
    finally:
        watching.set()
        watcher.join()
    assert wrong == []
    assert hashlib.sha256(final.read_bytes()).hexdigest() == expected.sha256
    assert proxy.damages.keys() == set(BROKEN)
    assert [each.fault for each in verify(final)] == [""]
    assert sorted(path.suffix for path in tmp_path.iterdir() if path.is_file()) == [".csv", ".json"]


def test_many_files_in_an_event_loop(proxy: DownloadProxy, token: str, tmp_path: Path) -> None:
    chance = random.Random(11)
    proxy.damage = lambda: chance.choice(BROKEN) if chance.random() < 0.6 and proxy.damages.total() < 60 else None

    async def story() -> None:
        async with AsyncOfftake(proxy.url, token=token, note=lambda _: None) as offtake:
            options = {"split": {"rows": 1000}, "compression": "gzip"}
            export = await offtake.export("calls", **MARCH, format="csv", options=options, target=tmp_path)
            paths = await export.download()
            assert [path.name for path in paths] == [file.name for file in (await export.manifest()).files]

    asyncio.run(story())
    assert proxy.damages.total() > 10
    assert [each.fault for each in verify(tmp_path)] == [""] * 4


def test_an_undamaged_byte_arrives_once(proxy: DownloadProxy, export: Export, tmp_path: Path) -> None:
    kinds = [None, Damage.SHORT, Damage.CLOSED, Damage.FLIPPED]
    proxy.damage = lambda: kinds[len(proxy.lines) % 4] if proxy.damages.total() < 20 else None
    export.download(tmp_path, connections=1)
    damaged = proxy.damages[Damage.FLIPPED] * BLOCK
    assert proxy.damages[Damage.FLIPPED] > 0
    assert proxy.sent - damaged <= 1.02 * export.manifest().bytes


def test_what_cannot_be_repaired_is_an_error_without_a_file(
    proxy: DownloadProxy, export: Export, tmp_path: Path
) -> None:
    name = export.manifest().files[0].name
    proxy.damage = lambda: Damage.FLIPPED
    with pytest.raises(DamagedFile, match="run the same command again"):
        export.download(tmp_path)
    assert not (tmp_path / name).exists()
    proxy.damage = lambda: Damage.CHANGED
    with pytest.raises((FileChanged, DamagedFile)):
        export.download(tmp_path / "changed")
    assert not (tmp_path / "changed" / name).exists()


def test_a_full_disk_keeps_what_has_arrived(proxy: DownloadProxy, export: Export, tmp_path: Path) -> None:
    file = export.manifest().files[0]
    with small_disk(tmp_path / "disk", 1) as disk:
        with pytest.raises(DiskFull, match="run the same command again"):
            export.download(disk.folder)
        assert not (disk.folder / file.name).exists()
        disk.grow(8)
        before = proxy.sent
        export.download(disk.folder)
        assert proxy.sent - before < 0.6 * file.bytes  # it went on where it stopped
        assert verify(disk.folder)[0].fault == ""


def test_resumed_files_are_compared_with_the_present_manifest(
    proxy: DownloadProxy, export: Export, tmp_path: Path
) -> None:
    file = export.manifest().files[0]
    proxy.damage = lambda: Damage.FLIPPED if proxy.sent > file.bytes // 2 else None
    with pytest.raises(DamagedFile):
        export.download(tmp_path)
    proxy.damage = lambda: None
    partial_file, sidecar = tmp_path / f"{file.name}.partial", tmp_path / f"{file.name}.partial.json"
    stored = json.loads(sidecar.read_text())
    first = stored["verified"][0]
    content = bytearray(partial_file.read_bytes())
    content[first * BLOCK] ^= 1  # the disk damages a block that was complete
    partial_file.write_bytes(content)
    export.download(tmp_path)
    assert verify(tmp_path / file.name)[0].fault == ""

    # The sidecar of another manifest: its bytes are not used.
    (tmp_path / file.name).unlink()
    partial_file.write_bytes(bytes(file.bytes))
    sidecar.write_text(json.dumps({**stored, "manifest": "0" * 64, "verified": list(range(len(stored["blocks"])))}))
    before = proxy.sent
    export.download(tmp_path)
    assert proxy.sent - before == file.bytes
    damaged = tmp_path / file.name
    content = bytearray(damaged.read_bytes())
    content[2 * BLOCK + 5] ^= 1
    damaged.write_bytes(content)
    assert (verify(tmp_path)[0].fault, verify(tmp_path)[0].damaged) == ("the checksum does not match", (2,))


def test_one_process_at_a_time_writes_to_a_folder(export: Export, tmp_path: Path, server: Served, token: str) -> None:
    errors: list[type[Exception]] = []

    def second(progress: object) -> None:
        if not errors:
            with Offtake(server.url, token=token) as offtake, pytest.raises(TargetInUse) as refused:
                offtake.find_export(export.id).download(tmp_path)
            errors.append(refused.type)

    export.download(tmp_path, on_progress=second)
    assert errors == [TargetInUse]
    server.installation.expire(export.id)
    with pytest.raises(Gone, match="Create the export again"):
        export.download(tmp_path / "later")


def test_a_script_that_is_killed_and_started_again_finds_its_export(
    proxy: DownloadProxy, token: str, tmp_path: Path, offtake: Offtake
) -> None:
    before = {each.id for each in offtake.exports(report="calls")}
    command = [sys.executable, "-c", SCRIPT, proxy.url, token, str(tmp_path / "calls")]
    for deadly in ("POST /v1/exports", "GET /v1/exports", "manifest", "files", "GET /download", "GET /download"):
        with subprocess.Popen(command, stderr=subprocess.PIPE) as script:
            met = threading.Event()

            def kill(line: str, deadly: str = deadly, pid: int = script.pid, met: threading.Event = met) -> None:
                if deadly in line and not met.is_set():
                    met.set()
                    os.kill(pid, signal.SIGKILL)

            proxy.on_request = kill
            assert script.wait(60) == (-signal.SIGKILL if met.is_set() else 0)
    proxy.on_request = lambda line: None
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    made = {each.id for each in offtake.exports(report="calls")} - before
    assert len(made) == 1
    assert [each.fault for each in verify(tmp_path / "calls")] == [""]
    assert list((tmp_path / "calls").glob(".offtake-request-*")) == []
