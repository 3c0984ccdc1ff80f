"""The files of the signing keys: ``secrets/link.key`` signs, ``secrets/link.other.key`` is only accepted.

A running server reads them again when they change, so a rotation takes effect at once wherever the home is shared or on
one machine.
"""

from __future__ import annotations

import secrets
import threading
from contextlib import suppress
from pathlib import Path

import structlog

from offtake.errors import HomeError
from offtake.model.signing_key import SigningKey, SigningKeys
from offtake.output_file import replace_private

KEY_BYTES = 32
_log = structlog.get_logger("offtake.keys")
_Stamp = tuple[int, int, int] | None


class SigningKeyFiles:
    """Reads and rotates the keys of a home. Thread-safe."""

    def __init__(self, current: Path) -> None:
        self._current = current
        self._other = current.with_name("link.other.key")
        self._lock = threading.Lock()
        self._loaded: SigningKeys | None = None
        self._stamps: tuple[_Stamp, _Stamp] = (None, None)

    def keys(self) -> SigningKeys:
        """Return the keys in force; unusable files leave the keys in use that were read before.

        Raises HomeError if the keys were never read.
        """
        stamps = (_stamp(self._current), _stamp(self._other))
        with self._lock:
            if self._loaded is not None and stamps == self._stamps:
                return self._loaded
            try:
                loaded = self.read()
            except HomeError as error:
                if self._loaded is None:
                    raise
                _log.error("signing_keys_kept", reason=error.message)
                self._stamps = stamps
                return self._loaded
            if self._loaded is not None and loaded != self._loaded:
                _log.info("signing_keys_read", keys=[key.id for key in loaded.accepted])
            self._loaded, self._stamps = loaded, stamps
            return loaded

    def read(self) -> SigningKeys:
        """Read both files. Raises HomeError."""
        other = _read(self._other) if self._other.exists() else None
        current = _read(self._current)
        return SigningKeys(current=current, other=None if other == current else other)

    def prepare(self) -> SigningKeys:
        """Write a new key that is accepted but does not sign yet. It replaces the other key. Raises HomeError."""
        self.read()
        _write(self._other, secrets.token_bytes(KEY_BYTES))
        return self.read()

    def rotate(self, *, use_prepared: bool = False, keep_old: bool = True) -> SigningKeys:
        """Sign with a new key, or with the other one. The old key stays accepted unless ``keep_old`` is false.

        Raises HomeError, also if no key is prepared.
        """
        before = self.read()
        if use_prepared and before.other is None:
            raise HomeError("There is no prepared key; create one with: offtake link-key prepare")
        new = before.other.secret if use_prepared and before.other is not None else secrets.token_bytes(KEY_BYTES)
        _write(self._other, before.current.secret)  # first, so that a server that reads in between accepts the old key
        _write(self._current, new)
        if not keep_old:
            self._other.unlink()
        return self.read()


def _read(path: Path) -> SigningKey:
    try:
        key = path.read_bytes()
    except OSError as error:
        raise HomeError(f"{path}: cannot be read: {error.strerror}") from error
    if len(key) != KEY_BYTES:
        raise HomeError(f"{path}: must hold {KEY_BYTES} bytes; remove it and run offtake init")
    return SigningKey(key)


def _stamp(path: Path) -> _Stamp:
    with suppress(OSError):
        status = path.stat()
        return status.st_ino, status.st_mtime_ns, status.st_size
    return None


def _write(path: Path, content: bytes) -> None:
    """Replace a key file atomically. Raises HomeError."""
    try:
        replace_private(path, content)
    except OSError as error:
        raise HomeError(f"{path}: cannot be written: {error.strerror}") from error
