"""nginx as the yardstick of downloads: it serves one folder on a free loopback port, if it is installed."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_CONFIGURATION = """
daemon off; master_process off; pid "{work}/nginx.pid"; error_log "{work}/error.log";
events {{ worker_connections 64; }}
http {{
    access_log off; sendfile on; tcp_nopush on;
    client_body_temp_path "{work}/body"; proxy_temp_path "{work}/proxy"; fastcgi_temp_path "{work}/fastcgi";
    uwsgi_temp_path "{work}/uwsgi"; scgi_temp_path "{work}/scgi";
    server {{ listen 127.0.0.1:{port}; root "{root}"; }}
}}
"""


def installed() -> str | None:
    """Return the path of the nginx command, or None. Debian installs it outside an ordinary user's PATH."""
    return shutil.which("nginx", path=os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"]))


@contextmanager
def serving(command: str, root: Path, work: Path) -> Iterator[str]:
    """Serve ``root`` for the length of the block; yields the address."""
    work.mkdir(parents=True, exist_ok=True)
    port = _free_port()
    configuration = work / "nginx.conf"
    configuration.write_text(_CONFIGURATION.format(work=work.resolve(), root=root.resolve(), port=port))
    process = subprocess.Popen(
        [
            command,
            "-p",
            str(work.resolve()),
            "-e",
            str(work.resolve() / "error.log"),
            "-c",
            str(configuration.resolve()),
        ]
    )
    try:
        _wait_for(port, process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=10)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 10
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError("nginx did not start; see its error.log")
