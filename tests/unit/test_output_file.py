"""Output files of commands: complete or absent, private, and never in place of something else."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from offtake.errors import OutputError
from offtake.output_file import check_output, output_file


def _fifo(path: Path) -> None:
    os.mkfifo(path)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(path))


def _link(path: Path) -> None:
    (path.parent / "precious").write_text("kept")
    path.symlink_to("precious")


def _dangling(path: Path) -> None:
    path.symlink_to("missing")


UNLIKE_FILES: dict[str, Callable[[Path], None]] = {
    "a FIFO": _fifo,
    "a socket": _socket,
    "a symbolic link": _link,
    "a symbolic link that dangles": _dangling,
    "a folder": Path.mkdir,
}


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A relative path: that of a socket must be short."""
    monkeypatch.chdir(tmp_path)
    return Path("out")


def _entries(folder: Path) -> dict[str, tuple[int, int]]:
    return {path.name: (path.lstat().st_ino, path.lstat().st_mode) for path in folder.iterdir()}


@pytest.mark.parametrize("kind", UNLIKE_FILES)
def test_only_a_regular_file_is_replaced(kind: str, short: Path, tmp_path: Path) -> None:
    UNLIKE_FILES[kind](short)
    before = _entries(tmp_path)
    with (
        pytest.raises(OutputError, match=f"^out is {kind.removesuffix(' that dangles')}; name a new file"),
        output_file(short),
    ):
        pytest.fail("the block must not run")
    assert _entries(tmp_path) == before


def test_a_device_is_refused_even_for_root() -> None:
    with pytest.raises(OutputError, match=r"^/dev/null is a device"):
        check_output(Path("/dev/null"))


@pytest.mark.parametrize("name", ["in", "hard", "./folder/../in", "folder/deep/out"])
def test_an_input_is_not_replaced_under_any_name(name: str, tmp_path: Path) -> None:
    source, folder = tmp_path / "in", tmp_path / "folder"
    (folder / "deep").mkdir(parents=True)
    source.write_text("rows")
    (tmp_path / "hard").hardlink_to(source)
    (tmp_path / "soft").symlink_to(source)
    with (
        pytest.raises(OutputError, match="must not be"),
        output_file(tmp_path / name, inputs=[tmp_path / "missing", tmp_path / "soft", folder]),
    ):
        pytest.fail("the block must not run")
    assert source.read_text() == "rows"


def test_a_published_file_is_private_and_complete(tmp_path: Path) -> None:
    path = tmp_path / ("é" * 120)  # the temporary name must not be longer than a file system allows
    before = os.umask(0)
    try:
        with output_file(path) as file:
            file.write(["one\n", "two\n"])
            assert not path.exists()
            file.publish()
    finally:
        os.umask(before)
    assert path.read_text() == "one\ntwo\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_is_not_published_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_text("old")
    with suppress(KeyError), output_file(path) as file:
        file.write(["new"])
        raise KeyError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_what_appears_at_the_path_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "out"
    with output_file(path) as file:
        file.write(["rows"])
        os.mkfifo(path)
        with pytest.raises(OutputError, match=r"is a FIFO.* Its content is in ") as raised:
            file.publish()
    assert stat.S_ISFIFO(path.stat().st_mode)
    (kept,) = (other for other in tmp_path.iterdir() if other != path)
    assert str(kept) in raised.value.message
    assert kept.read_text() == "rows"


def test_a_folder_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="no/folder: cannot be written: No such file"):
        check_output(tmp_path / "no" / "folder" / "out")
