"""Public keys of clients: validation and thumbprint."""

from __future__ import annotations

import base64
import hashlib
import json

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from offtake.errors import InvalidKey

_EXPECTED = "Give the public half of a P-256 key as PEM; openssl ec -in private.pem -pubout writes it."


def read_public_key(pem: bytes) -> tuple[str, str]:
    """Return a P-256 public key as PEM and its RFC 7638 thumbprint. Raises InvalidKey, also for a private key."""
    if b"PRIVATE KEY" in pem:
        raise InvalidKey(f"The file contains a private key, which must stay with the client. {_EXPECTED}")
    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise InvalidKey(f"The file contains no public key. {_EXPECTED}") from error
    if not isinstance(key, EllipticCurvePublicKey) or not isinstance(key.curve, SECP256R1):
        raise InvalidKey(f"The key is not a P-256 key. {_EXPECTED}")
    numbers = key.public_numbers()
    members = {"crv": "P-256", "kty": "EC", "x": _coordinate(numbers.x), "y": _coordinate(numbers.y)}
    digest = hashlib.sha256(json.dumps(members, separators=(",", ":"), sort_keys=True).encode()).digest()
    text = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    return text, base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _coordinate(number: int) -> str:
    return base64.urlsafe_b64encode(number.to_bytes(32, "big")).rstrip(b"=").decode()
