"""The home folder: all files of an embedded installation. A new one is accessible to its owner only.

offtake.toml   settings            state.db    jobs, identity, audit
lake/          care data           artifacts/  finished files
secrets/       the keys that sign download links, credentials of object storage (accessible to the owner only)
cache/         copies of lake files from object storage
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shlex
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from offtake.errors import HomeError, HomeInUse
from offtake.output_file import create_private
from offtake.signing_key_files import KEY_BYTES, SigningKeyFiles

_FOUND_IN_EMPTY_VOLUMES = frozenset({"lost+found"})
_CLOUDS = ("AWS_", "GOOGLE_", "AZURE_")
_STARTING_SETTINGS = """\
# Settings of this installation. Every option and its default: offtake config show --home <this folder>
# The server does not start with an option that is not listed there.
#
# [server]
# public_url = "https://exports.example.com"
"""


@dataclass(frozen=True, slots=True)
class Home:
    """Paths of a home folder."""

    root: Path

    @property
    def settings(self) -> Path:
        """The settings file."""
        return self.root / "offtake.toml"

    @property
    def state(self) -> Path:
        """The SQLite database."""
        return self.root / "state.db"

    @property
    def lake(self) -> Path:
        """The folder of the Delta tables."""
        return self.root / "lake"

    @property
    def artifacts(self) -> Path:
        """The folder of the artifact store."""
        return self.root / "artifacts"

    @property
    def cache(self) -> Path:
        """The folder of cached lake files."""
        return self.root / "cache" / "lake"

    @property
    def storage_secrets(self) -> Path:
        """The optional file of credentials of object storage."""
        return self.root / "secrets" / "storage.env"

    @property
    def link_key(self) -> Path:
        """The file of the key that signs download links (``signing_key_files.py``)."""
        return self.root / "secrets" / "link.key"

    @property
    def contents(self) -> tuple[Path, ...]:
        """The files and folders of the installation in this home, which no command may replace."""
        journals = (self.state.with_name(f"{self.state.name}-{end}") for end in ("wal", "shm"))
        folders = (self.lake, self.artifacts, self.link_key.parent, self.root / "cache")
        return (self.settings, self.state, *journals, self.root / ".in-use", *folders)

    def create(self) -> bool:
        """Create what is missing and keep what exists. Return whether anything was created. Raises HomeError.

        What exists becomes inaccessible to other users. A folder that holds anything else is refused.
        """
        self._require_empty_or_home()
        missing = not self.link_key.is_file() or not self.settings.is_file()
        try:
            self.root.parent.mkdir(parents=True, exist_ok=True)
            self.root.mkdir(mode=0o700, exist_ok=True)  # care data and finished files are confidential
            self._close_to_others()
            for folder in (self.lake, self.artifacts, self.link_key.parent):
                folder.mkdir(mode=0o700, exist_ok=True)
            create_private(self.link_key, secrets.token_bytes(KEY_BYTES))
            create_private(self.settings, _STARTING_SETTINGS.encode())
        except OSError as error:
            raise HomeError(f"{self.root}: cannot be made a home folder: {error.strerror}") from error
        return missing

    def _require_empty_or_home(self) -> None:
        """Refuse to make a home of a folder that holds other things, because other users may need access to them."""
        try:
            found = {path.name for path in self.root.iterdir()}
        except OSError:  # it does not exist, or its creation reports the fault
            return
        ours = {path.name for path in self.contents}
        if found - _FOUND_IN_EMPTY_VOLUMES and not found & ours:
            raise HomeError(f"{self.root} is not empty and not a home folder; name a new or an empty folder.")

    def _close_to_others(self) -> None:
        """Remove other users' access to the home and what is in it, or refuse a home that stays open to them.

        Its group keeps access to a home of another user: it is how container platforms pass volumes on.
        """
        secret_files = tuple(path for path in self.link_key.parent.glob("*") if path.is_file())
        for path in (self.root, *self.contents, *secret_files):
            with suppress(FileNotFoundError):
                found = path.stat()
                if found.st_mode & 0o077 and os.geteuid() in (0, found.st_uid):
                    path.chmod(stat.S_IMODE(found.st_mode) & ~0o077)
        if self.root.stat().st_mode & 0o007:
            raise HomeError(f"{self.root} is open to other users and belongs to another user; fix with: chmod o-rwx")

    def require(self) -> None:
        """Raise HomeError unless ``offtake init`` created this home."""
        if not self.link_key.is_file():
            raise HomeError(
                f"{self.root} is not a home folder; create one with: offtake init --home {shlex.quote(str(self.root))}"
            )

    @contextmanager
    def used(self) -> Iterator[None]:
        """Hold the shared lock of the home. Raises HomeInUse while another command holds it exclusively."""
        with self._locked(fcntl.LOCK_SH, "is locked by a command that needs exclusive access; retry when it has ended"):
            yield

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the exclusive lock of the home, so that no server or worker starts. Raises HomeInUse while one runs."""
        with self._locked(fcntl.LOCK_EX, "is in use by a server or worker; stop it first"):
            yield

    @contextmanager
    def _locked(self, operation: int, refusal: str) -> Iterator[None]:
        """Hold a file lock; the system releases it when the process ends."""
        handle = os.open(self.root / ".in-use", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(handle, operation | fcntl.LOCK_NB)
            except OSError as error:
                raise HomeInUse(f"{self.root} {refusal}.") from error
            yield
        finally:
            os.close(handle)

    def signing_keys(self) -> SigningKeyFiles:
        """Return the files of the keys that sign download links."""
        return SigningKeyFiles(self.link_key)


def read_storage_secrets(file: Path) -> dict[str, str]:
    """Read the lines ``NAME=value`` of the file of storage credentials; empty without a file.

    Raises HomeError, without values in its message. A file that other users may read is refused, because its
    credentials allow reading and removing every export.
    """
    if not file.exists():
        return {}
    secrets_read = {}
    for number, line in enumerate(read_private_file(file).splitlines(), start=1):
        name, equals, value = (part.strip() for part in line.partition("="))
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if not equals or not name.startswith(_CLOUDS):
            raise HomeError(f"{file}:{number}: expected NAME=value with a name that begins with {', '.join(_CLOUDS)}")
        secrets_read[name] = value
    return secrets_read


def read_private_file(file: Path) -> str:
    """Read a file with a secret. Raises HomeError, also if other users may read the file."""
    try:
        if file.stat().st_mode & 0o077:
            raise HomeError(f"{file}: is readable by other users; fix with: chmod 600 {file}")
        return file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise HomeError(f"{file}: cannot be read") from error
