"""`make dist` and `make wheels`: build both distributions, and use them in empty environments outside the checkout.

An environment has the wheels and what they require, in the locked versions, and nothing of the checkout: its Python
refuses to open a file there. In the one of the server, the commands of a first run are executed; those of the clients
download and verify an export of that server.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import chdir, contextmanager
from dataclasses import dataclass
from pathlib import Path

from offtake_process import CommandError, Server, run_for_json, serving
from uv_command import ROOT, UvError, run_uv

SERVER_PYTHONS = ("3.11", "3.12", "3.13", "3.14")
CLIENT_PYTHONS = ("3.10", *SERVER_PYTHONS)
CONSTRAINTS = "constraints.txt"
_TABLES = ("call", "team", "queue", "agent")  # what the report `calls` reads
# A line of a .pth file is executed when Python starts; a module named sitecustomize could be one of the system.
_GUARD = """\
import os, sys

def _refuse(event, arguments):
    if event in {"open", "os.listdir", "os.scandir"} and isinstance(arguments[0], str):
        if os.path.abspath(arguments[0]).startswith(CHECKOUT):
            raise RuntimeError(f"an installed program reads the checkout: {arguments[0]}")

sys.addaudithook(_refuse)
"""


class DistributionError(Exception):
    """A distribution lacks a file, or does not work where it is installed."""


@dataclass(frozen=True, slots=True)
class Built:
    """The folder of the distributions, and its wheels."""

    folder: Path
    server: Path
    client: Path


@dataclass(frozen=True, slots=True)
class Environment:
    """An environment in which one distribution is installed."""

    folder: Path

    def program(self, name: str) -> str:
        """Return the path of a command."""
        return str(self.folder / "bin" / name)

    def run(self, name: str, *arguments: str) -> str:
        """Run a command and return what it printed. Raises DistributionError."""
        done = subprocess.run([self.program(name), *arguments], capture_output=True, text=True, check=False)
        if done.returncode:
            raise DistributionError(f"`{name} {' '.join(arguments)}` ended with {done.returncode}:\n{done.stderr}")
        return done.stdout


def build(folder: Path) -> Built:
    """Build source distributions, and wheels from them; write the locked versions of what the server requires.

    The lock is for Python 3.11 and newer, so it has no versions for a client on 3.10.
    """
    run_uv("build", "--quiet", "--all-packages", "--clear", "--out-dir", str(folder), "--project", str(ROOT))
    selection = ("--package", "offtake", "--all-extras", "--no-dev", "--no-emit-workspace")
    form = ("--no-header", "--no-annotate", "--no-hashes", "--output-file", str(folder / CONSTRAINTS))
    run_uv("export", "--quiet", "--locked", *selection, *form, "--project", str(ROOT))
    (server,), (client,) = folder.glob("offtake-*.whl"), folder.glob("offtake_client-*.whl")
    return Built(folder, server, client)


def check_files(built: Built) -> None:
    """Check that a wheel has the files of its package, and no others. Raises DistributionError."""
    for wheel, source in ((built.server, "src/offtake"), (built.client, "clients/python/src/offtake_client")):
        package = ROOT / source
        here = {path.relative_to(package.parent).as_posix() for path in package.rglob("*") if path.is_file()}
        with zipfile.ZipFile(wheel) as archive:
            packed = {name for name in archive.namelist() if name.startswith(f"{package.name}/")}
        differing = sorted({name for name in here if "__pycache__" not in name} ^ packed)
        if differing:
            raise DistributionError(f"{wheel.name} differs from {source}: {', '.join(differing)}.")


def install(requirement: str, python: str, folder: Path, *options: str) -> Environment:
    """Install a wheel into a new environment, in which reading the checkout is an error. Raises UvError."""
    run_uv("venv", "--quiet", "--python", python, str(folder))
    interpreter = str(folder / "bin" / "python")
    run_uv("pip", "install", "--quiet", "--python", interpreter, *options, requirement)
    run_uv("pip", "check", "--quiet", "--python", interpreter)
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "checkout_guard.py").write_text(f"CHECKOUT = {f'{ROOT}/'!r}\n{_GUARD}")
    (packages / "checkout_guard.pth").write_text("import checkout_guard\n")
    return Environment(folder)


@contextmanager
def first_run(server: Environment, folder: Path) -> Iterator[tuple[Server, str]]:
    """Set up a home with sample calls and serve it; yield the server and a token."""
    offtake, home = server.program("offtake"), str(folder / "home")
    run_for_json("init", "--home", home, program=offtake)
    run_for_json("tenant", "add", "acme", "--home", home, program=offtake)
    tables = [word for name in _TABLES for word in ("--table", name)]
    sample = ("seed", "--tenant", "acme", "--days", "9", "--calls", "300", *tables, "--home", home)
    run_for_json(*sample, program=offtake)
    made = run_for_json("credential", "add", "acme", "--kind", "token", "--home", home, program=offtake)
    with serving(Path(home), folder / "server.log", workers=1, program=offtake) as running:
        yield running, str(made["token"])


def download(client: Environment, server: Server, token: str, target: Path) -> Path:
    """Create, download and verify an export with a client; return its file. Raises DistributionError, CommandError."""
    program = client.program("offtake-client")
    credential = {"OFFTAKE_CLIENT_URL": server.url, "OFFTAKE_CLIENT_TOKEN": token}
    done = run_for_json("get", "calls", "--last", "7d", "--output", str(target), program=program, **credential)
    run_for_json("verify", str(target), program=program)
    (file,) = map(Path, done["files"])
    if not done["rows"]:
        raise DistributionError(f"{file} has no rows.")
    return file


def check_versions(environment: Environment, name: str, version: str) -> None:
    """Check that a command starts and states the version of its wheel."""
    printed = environment.run(name, "--version").strip()
    if printed != f"{name} {version}":
        raise DistributionError(f"`{name} --version` printed {printed!r} instead of version {version}.")


def use(built: Built, servers: Sequence[str], clients: Sequence[str], folder: Path) -> Iterator[str]:
    """Install the server on each of some interpreters, and the client; yield a line for each pair that works."""
    version = built.server.name.split("-")[1]
    installed = {}
    for python in clients:
        installed[python] = install(f"{built.client}[cli]", python, folder / f"client-{Path(python).name}")
        check_versions(installed[python], "offtake-client", version)
    for python in servers:
        base = folder / f"server-{Path(python).name}"
        locked = ("--constraint", str(built.folder / CONSTRAINTS))
        server = install(str(built.server), python, base / "environment", *locked)
        check_versions(server, "offtake", version)
        with chdir(base), first_run(server, base) as (running, token):
            for other, client in installed.items():
                file = download(client, running, token, base / f"for-{Path(other).name}")
                yield f"server on Python {python}, client on Python {other}: {file.name}, verified"


def available(pythons: Iterable[str]) -> list[str]:
    """Return some versions of Python. Raises DistributionError if the machine lacks one."""
    found = []
    for version in pythons:
        try:
            run_uv("python", "find", "--system", version, UV_PYTHON="")
        except UvError:
            raise DistributionError(
                f"Python {version} was not found on this machine; install it, then repeat."
            ) from None
        else:
            found.append(version)
    return found


def main() -> int:
    """Build the distributions; with --use, install and use them on every interpreter that the machine has."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--use", action="store_true", help="install and use them in empty environments")
    parser.add_argument("--folder", type=Path, default=ROOT / "dist", help="where the distributions are written")
    arguments = parser.parse_args()
    try:
        built = build(arguments.folder.absolute())
        check_files(built)
        for path in sorted(built.folder.iterdir()):
            print(path)
        if arguments.use:
            with tempfile.TemporaryDirectory(prefix="offtake-wheels-") as folder:
                for line in use(built, available(SERVER_PYTHONS), available(CLIENT_PYTHONS), Path(folder)):
                    print(line, flush=True)
    except (DistributionError, UvError, CommandError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
