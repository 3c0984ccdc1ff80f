"""The home folder: private, complete, and without an invalid signing key."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from offtake.errors import HomeError
from offtake.home import Home, read_storage_secrets


def test_a_new_home_is_private_and_keeps_existing_files(tmp_path: Path) -> None:
    home = Home(tmp_path / "deep" / "home")
    assert home.create()
    key = home.signing_keys().read()
    assert not home.create()
    assert home.signing_keys().read() == key
    assert stat.S_IMODE(home.root.stat().st_mode) == 0o700
    assert stat.S_IMODE(home.link_key.stat().st_mode) == 0o600
    assert [path.name for path in home.link_key.parent.iterdir()] == ["link.key"]


def test_a_file_that_another_container_writes_stays_complete(tmp_path: Path) -> None:
    """Its process id may equal ours: in containers both are 1."""
    home = Home(tmp_path / "home")
    temporary = home.link_key.with_name(f".link.key.{os.getpid()}")
    temporary.parent.mkdir(parents=True)
    temporary.write_bytes(b"another's")
    home.create()
    assert temporary.read_bytes() == b"another's"
    assert len(home.signing_keys().read().current.secret) == 32


@pytest.mark.parametrize("content", [b"", b"short", b"x" * 33])
def test_an_invalid_key_is_refused(tmp_path: Path, content: bytes) -> None:
    home = Home(tmp_path / "home")
    home.create()
    home.link_key.write_bytes(content)
    with pytest.raises(HomeError, match="must hold"):
        home.signing_keys().read()


def _secrets(tmp_path: Path, text: str, mode: int = 0o600) -> Path:
    file = tmp_path / "storage.env"
    file.write_text(text)
    file.chmod(mode)
    return file


def test_credentials_of_object_storage_are_lines(tmp_path: Path) -> None:
    file = _secrets(tmp_path, "# ours\n\nAWS_ACCESS_KEY_ID = id\nAWS_SECRET_ACCESS_KEY=a=b/c+d==\n")
    assert read_storage_secrets(file) == {"AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "a=b/c+d=="}
    assert read_storage_secrets(tmp_path / "none") == {}


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
def test_credentials_that_others_can_read_are_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(HomeError, match="chmod 600"):
        read_storage_secrets(_secrets(tmp_path, "AWS_ACCESS_KEY_ID=id\n", mode))


@pytest.mark.parametrize("line", ["hunter2", "PATH=hunter2", "export AWS_ACCESS_KEY_ID=hunter2"])
def test_a_line_that_is_no_credential_is_refused_and_not_repeated(tmp_path: Path, line: str) -> None:
    with pytest.raises(HomeError, match=r"storage\.env:2") as caught:
        read_storage_secrets(_secrets(tmp_path, f"# ours\n{line}\n"))
    assert "hunter2" not in caught.value.message
