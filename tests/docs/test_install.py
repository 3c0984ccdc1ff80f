"""The platforms that the page Install names are those for which the locked libraries have wheels."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from functools import cache

from packaging.requirements import Requirement
from packaging.tags import Tag, compatible_tags, cpython_tags, mac_platforms
from packaging.utils import parse_wheel_filename

from distributions import CLIENT_PYTHONS, SERVER_PYTHONS
from uv_command import ROOT, run_uv

PAGE = ROOT / "docs" / "how-to" / "install.md"
GLIBC = (2, 28)
REMEDY = "change the table of docs/how-to/install.md, or lock a version that has the wheels"


@cache
def _wheels() -> dict[tuple[str, str], list[str]]:
    """The names of the wheels of each locked version."""
    lock = tomllib.loads((ROOT / "uv.lock").read_text("utf-8"))
    return {
        (each["name"], each["version"]): [wheel["url"].rpartition("/")[2] for wheel in each.get("wheels", [])]
        for each in lock["package"]
        if "version" in each
    }


def _required(*selection: str, **environment: str) -> Iterator[tuple[str, str]]:
    """Yield name and version of each library of a distribution on a platform."""
    form = ("--locked", "--no-dev", "--no-emit-workspace", "--no-hashes", "--no-header", "--no-annotate", "--quiet")
    for line in run_uv("export", *selection, *form, "--project", str(ROOT)).splitlines():
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate(environment):
            (pinned,) = requirement.specifier
            yield requirement.name, pinned.version


def _without_wheel(required: set[tuple[str, str]], python: str, platforms: list[str]) -> set[str]:
    version = tuple(map(int, python.split(".")))
    tags: set[Tag] = {*cpython_tags(version, platforms=platforms)}
    tags |= {*compatible_tags(version, f"cp{''.join(python.split('.'))}", platforms)}
    wheels = _wheels()
    return {
        name
        for name, locked in required
        if not any(tags & parse_wheel_filename(wheel)[3] for wheel in wheels[name, locked])
    }


def _required_on(selection: tuple[str, ...], python: str, system: str = "linux") -> set[tuple[str, str]]:
    environment = {
        "python_version": python,
        "python_full_version": f"{python}.0",
        "sys_platform": system,
        "platform_machine": "x86_64",
        "platform_system": {"linux": "Linux", "darwin": "Darwin", "win32": "Windows"}[system],
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
    }
    return set(_required(*selection, **environment))


def _glibc(machine: str) -> list[str]:
    return [f"manylinux_2_{minor}_{machine}" for minor in range(5, GLIBC[1] + 1)] + [f"manylinux2014_{machine}"]


def _musl(machine: str) -> list[str]:
    return [f"musllinux_1_{minor}_{machine}" for minor in range(3)]


def test_every_library_of_the_server_has_a_wheel_for_its_platforms() -> None:
    required = {python: _required_on(("--package", "offtake", "--all-extras"), python) for python in SERVER_PYTHONS}
    assert len(required["3.13"]) > 50
    for machine in ("x86_64", "aarch64"):
        missing = {python: _without_wheel(each, python, _glibc(machine)) for python, each in required.items()}
        assert missing == {python: set() for python in SERVER_PYTHONS}, REMEDY
        without = {"adbc-driver-manager", "adbc-driver-postgresql", "duckdb"}
        assert _without_wheel(required["3.13"], "3.13", _musl(machine)) == without, REMEDY


def test_every_library_of_the_client_has_a_wheel_for_its_platforms() -> None:
    """The lock is for Python 3.11 and newer; `make wheels` installs the client on 3.10."""
    platforms = {
        "linux": [_glibc("x86_64"), _glibc("aarch64"), _musl("x86_64"), _musl("aarch64")],
        "darwin": [list(mac_platforms((13, 0), machine)) for machine in ("arm64", "x86_64")],
        "win32": [["win_amd64"]],
    }
    for system, each in platforms.items():
        for python in ("3.11", "3.13"):
            required = _required_on(("--package", "offtake-client", "--extra", "cli"), python, system)
            assert ("tzdata" in dict(required)) == (system == "win32")  # other systems have time zones
            missing = [_without_wheel(required, python, tags) for tags in each]
            assert missing == [set() for _ in each], REMEDY


def test_the_page_names_the_supported_versions_of_python() -> None:
    """The last version is the one of which the page says that the libraries have wheels."""
    server, client = (f"{', '.join(each[:-2])} or {each[-2]}" for each in (SERVER_PYTHONS, CLIENT_PYTHONS))
    page = PAGE.read_text("utf-8")
    assert f"| Python | {server} | {client} |" in page
    assert f"With Python {SERVER_PYTHONS[-1]}, every library has a wheel too" in page
