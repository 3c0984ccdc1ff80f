"""The uv that tools/bootstrap.sh installed, for environments other than that of the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
_CERTIFICATES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")


class UvError(Exception):
    """uv failed; the message has the command and what uv printed."""


def run_uv(*arguments: str, **environment: str) -> str:
    """Run uv with this interpreter, unless the arguments name another; return what it printed. Raises UvError."""
    settings = {
        **os.environ,
        "UV_PYTHON": sys.executable,
        "UV_PYTHON_DOWNLOADS": "never",
        # as tools/bootstrap.sh: the machine's own certificates, if it has any
        "UV_SYSTEM_CERTS": str(any(Path(file).is_file() for file in _CERTIFICATES)).lower(),
        **environment,
    }
    uv = str(ROOT / ".bootstrap" / "bin" / "uv")
    done = subprocess.run([uv, *arguments], env=settings, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UvError(f"`uv {' '.join(arguments)}` ended with exit code {done.returncode}:\n{done.stderr}")
    return done.stdout
