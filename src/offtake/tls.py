"""TLS of the server itself: its certificate, and what is spoken at all.

TLS 1.2 is the floor, whatever the system's OpenSSL would allow, and of 1.2 only what keeps yesterday's recordings
secret: key exchange by elliptic curves, authenticated encryption (RFC 9325, sections 3.1.1 and 4.2).
"""

from __future__ import annotations

import ssl
from datetime import datetime
from pathlib import Path

from cryptography import x509

from offtake.errors import SettingsError

_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"  # of TLS 1.2; those of 1.3 are all of this kind
_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


class Tls:
    """A certificate with its key, ready for handshakes. Raises SettingsError when they cannot be used."""

    def __init__(self, certificate: Path, key: Path, *, minimum: str) -> None:
        self._certificate = certificate
        self._key = key
        self._minimum = minimum
        self.context = self._made()
        self.expires_at = self._expiry()

    def reload(self) -> None:
        """Read both files again: new connections get the new certificate, open ones stay. Raises SettingsError, and
        then nothing has changed. Call it where handshakes begin: in the event loop."""
        self._made()  # a pair that does not fit must not get half into the context in use
        expires_at = self._expiry()
        self.context.load_cert_chain(self._certificate, self._key)
        self.expires_at = expires_at

    def _made(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = _VERSIONS[self._minimum]
        context.set_ciphers(_CIPHERS)
        for option, file in (("tls_certificate", self._certificate), ("tls_key", self._key)):
            try:
                file.read_bytes()
            except OSError as error:
                raise SettingsError(f"server.{option}: {file} cannot be read: {error.strerror}") from error
        try:
            context.load_cert_chain(self._certificate, self._key, password=_refuse)
        except _PasswordWanted as error:
            raise SettingsError(f"server.tls_key: {self._key} is locked with a password") from error
        except ssl.SSLError as error:
            if "MISMATCH" in (error.reason or ""):
                message = f"server.tls_key: {self._key} is not the key of the certificate {self._certificate}"
                raise SettingsError(message) from error
            message = f"server.tls_certificate, tls_key: {self._certificate} and {self._key} are no certificate and key"
            raise SettingsError(f"{message} in PEM") from error
        return context

    def _expiry(self) -> datetime:
        try:
            return x509.load_pem_x509_certificate(self._certificate.read_bytes()).not_valid_after_utc
        except (OSError, ValueError) as error:
            raise SettingsError(f"server.tls_certificate: {self._certificate} is no certificate in PEM") from error


class _PasswordWanted(Exception):
    """A key asks for its password."""


def _refuse() -> str:
    raise _PasswordWanted
