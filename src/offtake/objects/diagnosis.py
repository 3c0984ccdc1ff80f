"""Which of bucket, endpoint, credentials and region an operator has to correct, from an error of obstore.

obstore reports most faults as one class, with the service's response and the cause in its text. The text may contain
signatures and keys, so a diagnosis never quotes it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from obstore.exceptions import PermissionDeniedError, UnauthenticatedError

from offtake.objects.location import Access, ObjectLocation


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What is wrong, in words for the operator; ``needs_operator`` is false if the service may only be unavailable."""

    text: str
    needs_operator: bool


_METADATA = ("169.254.169.254", "169.254.170.2", "metadata.google.internal")  # where a machine's role is asked for
# The first row of which a mark is in the text applies. The codes are those of S3 and Azure.
_ROWS: tuple[tuple[tuple[str, ...], str], ...] = (
    (_METADATA, "there are no credentials: the environment, secrets/storage.env and the machine's role have none"),
    (
        ("SignatureDoesNotMatch",),
        "access denied: the secret key is not that of the access key id; check the credentials",
    ),
    (("InvalidAccessKeyId",), "access denied: the service does not know the access key id; check the credentials"),
    (("ExpiredToken", "TokenRefreshRequired"), "access denied: the credentials have expired"),
    # A redirect without a location is what S3 sends for a bucket of another region.
    (
        ("301 Moved", "redirect without LOCATION", "AuthorizationHeaderMalformed"),
        "the bucket is in another region; set [storage] region",
    ),
    (
        ("403 Forbidden", "401 Unauthorized", "AccessDenied"),
        "access denied; check the credentials and their permissions for the bucket",
    ),
    (("NoSuchBucket", "ContainerNotFound"), "the bucket does not exist; check the name in the URL, or create it"),
)
_UNREACHABLE: tuple[tuple[tuple[str, ...], str], ...] = (
    (("dns error", "failed to lookup address"), "its host name has no address"),
    (("ConnectionRefused",), "the connection was refused"),
    (("InvalidContentType", "WRONG_VERSION_NUMBER"), "it does not speak TLS; use http:// and allow_http = true"),
    (("certificate", "UnknownIssuer"), "its certificate is not trusted"),
    (("TimedOut", "timed out", "kind: Timeout"), "it does not answer in time"),
)
_STATUS = re.compile(r"status code: (\d{3}) ")


def diagnose(error: Exception, location: ObjectLocation, access: Access) -> Diagnosis:
    """Return what an error of an operation on this bucket means."""
    text = str(error)
    for marks, meaning in _ROWS:
        if any(mark in text for mark in marks):
            return Diagnosis(meaning, needs_operator=True)
    if isinstance(error, PermissionDeniedError | UnauthenticatedError):
        return Diagnosis("access denied; check the credentials and their permissions", needs_operator=True)
    endpoint = f"the endpoint {access.endpoint}" if access.endpoint else "the provider's endpoint"
    if isinstance(error, FileNotFoundError) or "404 Not Found" in text:
        return Diagnosis(
            f"the bucket does not exist, or {endpoint} is not a service for {location.scheme}:// URLs",
            needs_operator=True,
        )
    status = _STATUS.search(text)
    unknown = f"it answers with the status {status[1]}" if status else "it failed"
    reason = next((words for marks, words in _UNREACHABLE if any(mark in text for mark in marks)), unknown)
    return Diagnosis(
        f"{endpoint} cannot be used: {reason}; check [storage] endpoint and the network", needs_operator=False
    )
