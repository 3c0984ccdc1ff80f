"""The cache of lake files: each file is fetched once, the size is bounded, and files in use are never removed."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from offtake.errors import AttemptInterrupted, StorageUnavailable
from offtake.lake.cache import FileCache, RemoteFile

SIZE = 1000
CONTENT = b"PAR1" + bytes(SIZE - 8) + b"PAR1"


def wanted(*names: str) -> list[RemoteFile]:
    return [RemoteFile(name=f"team/tenant=acme/{name}.parquet", size=SIZE) for name in names]


class Source:
    """A source of files that counts the fetches of each."""

    def __init__(self, content: bytes = CONTENT) -> None:
        self.content = content
        self.asked: Counter[str] = Counter()

    def __call__(self, file: RemoteFile) -> Iterator[bytes]:
        self.asked[Path(file.name).stem] += 1
        for first in range(0, len(self.content), 300):
            yield self.content[first : first + 300]


def cache(tmp_path: Path, *, limit: int = 10 * SIZE) -> FileCache:
    return FileCache(folder=tmp_path / "cache", lake="one", limit=limit)


def unbothered() -> None:
    """Never stopped."""


def entries(of: FileCache) -> list[str]:
    return sorted(path.stem for path in (of.folder / "files").rglob("*.parquet"))


def held(of: FileCache) -> list[Path]:
    return [path for path in (of.folder / "held").rglob("*") if path.is_file()]


def use(of: FileCache, source: Source, *names: str) -> None:
    files = wanted(*names)
    with of.local_copies(files, source, unbothered) as folder:
        assert [(folder / file.name).read_bytes() for file in files] == [source.content] * len(files)


def test_a_file_is_fetched_once(tmp_path: Path) -> None:
    made, source = cache(tmp_path), Source()
    for _ in range(3):
        use(made, source, "a", "b")
    assert source.asked == {"a": 1, "b": 1}
    assert held(made) == []


def test_the_least_recently_used_file_is_removed_first(tmp_path: Path) -> None:
    made, source = cache(tmp_path, limit=2 * SIZE), Source()
    for name, day in (("a", 1), ("b", 2)):
        use(made, source, name)
        os.utime(made.folder / "files" / "one" / wanted(name)[0].name, (day, day))
    use(made, source, "a")
    use(made, source, "c")
    assert entries(made) == ["a", "c"]
    assert source.asked == {"a": 1, "b": 1, "c": 1}


def test_a_file_in_use_is_removed_only_afterwards(tmp_path: Path) -> None:
    made, source = cache(tmp_path, limit=SIZE), Source()
    with made.local_copies(wanted("a", "b", "c"), source, unbothered) as folder:
        use(made, source, "d")
        assert all((folder / file.name).read_bytes() == CONTENT for file in wanted("a", "b", "c"))
        assert set(entries(made)) >= {"a", "b", "c"}
    assert len(entries(made)) == 1


@pytest.mark.parametrize("limit", [0, SIZE - 1])
def test_a_file_larger_than_the_bound_can_be_used(tmp_path: Path, limit: int) -> None:
    made, source = cache(tmp_path, limit=limit), Source()
    use(made, source, "a")
    assert entries(made) == []


@pytest.mark.parametrize(
    "content",
    [CONTENT[:-1], b"", CONTENT + b"x", b"<xml" + CONTENT[4:], CONTENT[:-4] + b"\0\0\0\0"],
    ids=["short", "empty", "long", "no-beginning", "no-end"],
)
def test_a_broken_file_is_refused_and_never_kept(tmp_path: Path, content: bytes) -> None:
    made = cache(tmp_path)
    with pytest.raises(StorageUnavailable), made.local_copies(wanted("a"), Source(content), unbothered):
        pytest.fail("a broken file was handed out")
    assert (entries(made), held(made)) == ([], [])
    use(made, Source(), "a")


def test_a_truncated_copy_is_fetched_again(tmp_path: Path) -> None:
    made, source = cache(tmp_path), Source()
    use(made, source, "a")
    os.truncate(made.folder / "files" / "one" / wanted("a")[0].name, 10)
    use(made, source, "a")
    use(made, source, "a")
    assert source.asked == {"a": 2}


def test_a_stop_request_ends_a_fetch_at_once(tmp_path: Path) -> None:
    made, chunks = cache(tmp_path), 0

    def check() -> None:
        nonlocal chunks
        chunks += 1
        if chunks > 2:
            raise AttemptInterrupted("The attempt was asked to stop.")

    with pytest.raises(AttemptInterrupted), made.local_copies(wanted("a", "b"), Source(), check):
        pytest.fail("the fetch was not stopped")
    assert (entries(made), held(made)) == ([], [])


def test_one_file_that_fails_ends_the_others(tmp_path: Path) -> None:
    made = cache(tmp_path)

    def fetch(file: RemoteFile) -> Iterator[bytes]:
        if file.name.endswith("bad.parquet"):
            raise StorageUnavailable("away")
        yield CONTENT

    with pytest.raises(StorageUnavailable, match="away"), made.local_copies(wanted("bad", "a", "b"), fetch, unbothered):
        pytest.fail("a file is missing")
    assert held(made) == []


def test_threads_that_need_the_same_file_fetch_it_once(tmp_path: Path) -> None:
    made, source, began = cache(tmp_path), Source(), threading.Barrier(4)
    failed: list[BaseException] = []

    def one() -> None:
        try:
            began.wait()
            use(made, source, "a", "b", "c")
        except BaseException as error:
            failed.append(error)
            raise

    threads = [threading.Thread(target=one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert source.asked == {"a": 1, "b": 1, "c": 1}


_HOLDS = """
import sys, time
from pathlib import Path
from tests.unit.lake.test_lake_cache import Source, cache, unbothered, wanted
with cache(Path(sys.argv[1]), limit=0).local_copies(wanted("a"), Source(), unbothered):
    print("holding", flush=True)
    time.sleep(600)
"""


def test_files_held_by_a_killed_process_are_removed_and_those_of_a_living_one_stay(tmp_path: Path) -> None:
    made, source = cache(tmp_path, limit=0), Source()
    process = subprocess.Popen([sys.executable, "-c", _HOLDS, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "holding\n"
    use(made, source, "b")
    (file,) = [path for path in held(made) if path.suffix == ".parquet"]
    assert file.read_bytes() == CONTENT
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    use(made, source, "b")
    assert (held(made), entries(made)) == ([], [])


def test_leftovers_are_removed_where_locks_need_write_access(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An NFS client turns flock(2) into a lock of fcntl(2), which needs write access."""
    left = tmp_path / "cache" / "held" / "dead"
    left.mkdir(parents=True)
    (left / "copy").touch()
    left.with_suffix(".lock").touch()
    monkeypatch.setattr(fcntl, "flock", fcntl.lockf)
    use(cache(tmp_path), Source(), "a")
    assert list((tmp_path / "cache" / "held").iterdir()) == []


def test_lakes_do_not_mix(tmp_path: Path) -> None:
    one = cache(tmp_path)
    other = FileCache(folder=one.folder, lake="other", limit=one.limit)
    use(one, Source(), "a")
    different = Source(b"PAR1" + b"x" * (SIZE - 8) + b"PAR1")
    use(other, different, "a")
    assert different.asked == {"a": 1}
