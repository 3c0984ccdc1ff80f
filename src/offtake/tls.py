"""TLS of the server: its certificate, protocol versions and cipher suites.

The minimum is TLS 1.2, whatever the system's OpenSSL allows, and TLS 1.2 is limited to cipher suites with forward
secrecy and authenticated encryption (RFC 9325, sections 3.1.1 and 4.2).
"""

from __future__ import annotations

import ssl
from datetime import datetime
from pathlib import Path

from cryptography import x509

from offtake.errors import SettingsError

_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"  # TLS 1.2; all suites of TLS 1.3 qualify
_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


class Tls:
    """A certificate with its key, loaded for handshakes. Raises SettingsError when they are unusable."""

    def __init__(self, certificate: Path, key: Path, *, minimum: str) -> None:
        self._certificate = certificate
        self._key = key
        self._minimum = minimum
        self.context = self._build_context()
        self.expires_at = self._read_expiry()

    def reload(self) -> None:
        """Read both files again; new connections use the new certificate. Raises SettingsError and changes nothing
        when they are unusable. Call it in the event loop, where handshakes begin."""
        self._build_context()  # checks the pair before the context in use changes
        expires_at = self._read_expiry()
        self.context.load_cert_chain(self._certificate, self._key)
        self.expires_at = expires_at

    def _build_context(self) -> ssl.SSLContext:
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
        except _KeyIsEncrypted as error:
            raise SettingsError(f"server.tls_key: {self._key} is encrypted; store it without a password") from error
        except ssl.SSLError as error:
            if "MISMATCH" in (error.reason or ""):
                message = f"server.tls_key: {self._key} is not the key of the certificate {self._certificate}"
                raise SettingsError(message) from error
            message = (
                f"server.tls_certificate, tls_key: {self._certificate} and {self._key} must be certificate and key"
            )
            raise SettingsError(f"{message} in PEM") from error
        return context

    def _read_expiry(self) -> datetime:
        try:
            return x509.load_pem_x509_certificate(self._certificate.read_bytes()).not_valid_after_utc
        except (OSError, ValueError) as error:
            raise SettingsError(f"server.tls_certificate: {self._certificate} is not a certificate in PEM") from error


class _KeyIsEncrypted(Exception):
    """The private key is encrypted."""


def _refuse() -> str:
    raise _KeyIsEncrypted
