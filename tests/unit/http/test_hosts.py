"""Which Host headers a server answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from offtake import server
from offtake.errors import SettingsError
from offtake.home import Home
from offtake.http.hosts import ServedHosts
from offtake.http.settings import ServerSettings
from offtake.settings import Settings

PUBLIC = {"host": "0.0.0.0", "public_url": "https://Exports.example.com:8443/care"}
NAMED = {"host": "10.0.0.5", "hosts": ("one.example.com", "[2001:db8::1]")}
ELSEWHERE, LOOPBACK = "10.0.0.5", "127.0.0.1"


@pytest.mark.parametrize(
    ("settings", "host", "address", "served"),
    [
        ({}, "anything.example.com", LOOPBACK, True),
        ({"host": "::1"}, "anything.example.com", "::1", True),
        ({"host": "localhost"}, "", LOOPBACK, True),
        ({"hosts": ("one.example.com",)}, "one.example.com", LOOPBACK, True),
        ({"hosts": ("one.example.com",)}, "127.0.0.1:8080", LOOPBACK, True),
        ({"hosts": ("one.example.com",)}, "two.example.com", LOOPBACK, False),
        (PUBLIC, "exports.example.com", ELSEWHERE, True),
        (PUBLIC, "EXPORTS.example.com.:80", ELSEWHERE, True),
        (PUBLIC, "localhost", LOOPBACK, True),
        (PUBLIC, "localhost", ELSEWHERE, False),
        (PUBLIC, "exports.example.com.evil.example", ELSEWHERE, False),
        (PUBLIC, "evil.example@exports.example.com", ELSEWHERE, False),
        (PUBLIC, "exports.example.com:x", ELSEWHERE, False),
        (PUBLIC, "exports.example.com, exports.example.com", ELSEWHERE, False),
        (PUBLIC, "0.0.0.0", ELSEWHERE, False),
        (PUBLIC, "", ELSEWHERE, False),
        (NAMED, "10.0.0.5:8080", ELSEWHERE, True),
        (NAMED, "one.example.com", ELSEWHERE, True),
        (NAMED, "[2001:db8::1]:8080", ELSEWHERE, True),
        (NAMED, "10.0.0.6", ELSEWHERE, False),
        ({"host": "::", "hosts": ("*",)}, "anything.example.com", "2001:db8::1", True),
    ],
)
def test_served_hosts(settings: dict[str, Any], host: str, address: str, served: bool) -> None:
    assert ServedHosts(ServerSettings(**settings)).serve(host, address) is served


@pytest.mark.parametrize("address", ["0.0.0.0", "::"])
def test_a_server_for_all_addresses_needs_a_name(address: str) -> None:
    with pytest.raises(SettingsError, match="set public_url, or set hosts"):
        ServedHosts(ServerSettings(host=address))


def test_a_server_without_a_name_starts_no_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = Home(tmp_path / "home")
    home.create()
    started: list[object] = []
    monkeypatch.setattr(server, "Supervisor", lambda *arguments, **options: started.append(arguments))
    with pytest.raises(SettingsError, match="set public_url, or set hosts"):
        server.serve(home, Settings(server=ServerSettings(host="0.0.0.0", port=0)))
    assert not started


@pytest.mark.parametrize("name", ["", "a:80", "https://a", "a/b", "a b"])
def test_a_host_that_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="is not a host name without a port"):
        ServerSettings(hosts=(name,))
