"""The files of the keys that sign download links: rotation without a gap, and faults that leave the keys in use."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from offtake.errors import HomeError
from offtake.home import Home
from offtake.signing_key_files import SigningKeyFiles


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path / "home")
    made.create()
    return made


def test_a_rotation_is_seen_by_a_server_that_runs_and_keeps_the_old_key_accepted(home: Home) -> None:
    server = home.signing_keys()
    first = server.keys()
    assert first.accepted == (first.current,)
    second = home.signing_keys().rotate()
    assert server.keys() == second
    assert second.accepted == (second.current, first.current)
    third = home.signing_keys().rotate()
    assert server.keys().accepted == (third.current, second.current)  # two at a time
    other = home.link_key.with_name("link.other.key")
    assert {stat.S_IMODE(path.stat().st_mode) for path in (home.link_key, other)} == {0o600}


def test_the_old_key_ends_at_once_where_that_is_asked_for(home: Home) -> None:
    rotated = home.signing_keys().rotate(keep_old=False)
    assert rotated.accepted == (rotated.current,)


def test_a_prepared_key_is_accepted_by_all_before_it_signs(home: Home) -> None:
    """Two machines with separate homes: neither refuses a link of the other at any step."""
    away = Home(home.root.with_name("away"))
    away.create()
    away.link_key.write_bytes(home.link_key.read_bytes())
    prepared = home.signing_keys().prepare()
    copy = away.link_key.with_name("link.other.key")
    copy.write_bytes(home.link_key.with_name("link.other.key").read_bytes())
    assert away.signing_keys().read() == prepared
    here = home.signing_keys().rotate(use_prepared=True)
    assert here.current == prepared.other
    assert here.current in away.signing_keys().read().accepted
    assert away.signing_keys().rotate(use_prepared=True) == here


def test_a_rotation_to_a_prepared_key_needs_one(home: Home) -> None:
    with pytest.raises(HomeError, match="link-key prepare"):
        home.signing_keys().rotate(use_prepared=True)


def test_an_unusable_file_leaves_the_keys_in_use(home: Home) -> None:
    server = home.signing_keys()
    before = server.keys()
    home.link_key.write_bytes(b"half a key")
    assert server.keys() == before
    with pytest.raises(HomeError, match="must hold 32 bytes"):
        SigningKeyFiles(home.link_key).keys()
