"""Usable certificates, and the errors for unusable ones."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from offtake.errors import SettingsError
from offtake.tls import Tls


def issue(folder: Path, *, authority: trustme.CA | None = None, until: datetime | None = None) -> tuple[Path, Path]:
    """Files of a new certificate for localhost, and of its key."""
    folder.mkdir(exist_ok=True)
    made = (authority or trustme.CA()).issue_cert("localhost", not_after=until)
    chain, key = folder / "chain.pem", folder / "key.pem"
    chain.write_bytes(b"".join(blob.bytes() for blob in made.cert_chain_pems))
    made.private_key_pem.write_to_path(str(key))
    return chain, key


def test_a_matching_pair_is_accepted(tmp_path: Path) -> None:
    end = datetime(2031, 5, 1, tzinfo=UTC)
    assert Tls(*issue(tmp_path, until=end), minimum="1.2").expires_at == end


@pytest.mark.parametrize(
    ("break_it", "words"),
    [
        (lambda chain, key: chain.unlink(), "server.tls_certificate: {chain} cannot be read: No such file"),
        (lambda chain, key: key.unlink(), "server.tls_key: {key} cannot be read: No such file"),
        (lambda chain, key: key.write_bytes(b"no key"), "must be certificate and key in PEM"),
        (lambda chain, key: chain.write_bytes(b"no certificate"), "must be certificate and key in PEM"),
        (lambda chain, key: issue_over(key), "server.tls_key: {key} is not the key of the certificate {chain}"),
        (lambda chain, key: lock(key), "server.tls_key: {key} is encrypted; store it without a password"),
    ],
    ids=["no certificate", "no key", "broken key", "broken certificate", "another key", "locked key"],
)
def test_an_unusable_pair_is_refused_with_the_reason(tmp_path: Path, break_it: object, words: str) -> None:
    chain, key = issue(tmp_path)
    assert callable(break_it)
    break_it(chain, key)
    with pytest.raises(SettingsError) as refused:
        Tls(chain, key, minimum="1.2")
    assert words.format(chain=chain, key=key) in refused.value.message


def test_a_reload_that_fails_changes_nothing(tmp_path: Path) -> None:
    chain, key = issue(tmp_path)
    tls = Tls(chain, key, minimum="1.2")
    before = tls.expires_at
    issue_over(key)
    with pytest.raises(SettingsError, match="is not the key"):
        tls.reload()
    assert tls.expires_at == before
    issue(tmp_path, until=before + timedelta(days=1))
    tls.reload()
    assert tls.expires_at == before + timedelta(days=1)


def issue_over(key: Path) -> None:
    """Replaces the key by the key of another certificate."""
    _, other = issue(key.parent / "other")
    other.replace(key)


def lock(key: Path) -> None:
    """Encrypts the key with a password."""
    loaded = load_pem_private_key(key.read_bytes(), None)
    key.write_bytes(
        loaded.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, BestAvailableEncryption(b"word"))
    )
