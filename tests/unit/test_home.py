"""The home folder: private, whole, and never signed with a key that is none."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from offtake.errors import HomeError
from offtake.home import Home


def test_a_new_home_is_its_owner_s_alone_and_keeps_what_it_has(tmp_path: Path) -> None:
    home = Home(tmp_path / "deep" / "home")
    assert home.create()
    key = home.read_link_key()
    assert not home.create()
    assert home.read_link_key() == key
    assert stat.S_IMODE(home.root.stat().st_mode) == 0o700
    assert stat.S_IMODE(home.link_key.stat().st_mode) == 0o600
    assert [path.name for path in home.link_key.parent.iterdir()] == ["link.key"]


@pytest.mark.parametrize("content", [b"", b"short", b"x" * 33])
def test_a_key_that_is_none_is_refused(tmp_path: Path, content: bytes) -> None:
    home = Home(tmp_path / "home")
    home.create()
    home.link_key.write_bytes(content)
    with pytest.raises(HomeError, match="not a key"):
        home.read_link_key()
