"""Which export a request has created, kept until its files are complete.

A record has the idempotency key of a request. It is written before the request is sent, in the folder of the files, or
in the user's state folder if no folder is named; it is removed when the files are complete. A script that was killed
and starts again finds the record, sends the same key and gets the same export; after that, an equal request creates a
new export.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import platformdirs

from offtake_client.credentials import APPLICATION
from offtake_client.export_request import ExportRequest
from offtake_client.files import disk_errors, make_folder, read_json, write_json

_PREFIX, _SUFFIX = ".offtake-request-", ".json"
_NAME_DIGITS = 16
_NONCE_BYTES = 8


@dataclass(frozen=True)
class RequestRecord:
    """A request with its idempotency key, and the export that it created (None: not known yet)."""

    path: Path
    server: str
    digest: str
    key: str
    body: dict[str, Any]
    period: str = ""
    export: str | None = None

    @property
    def request(self) -> ExportRequest:
        """The request of the record."""
        return ExportRequest(self.body, self.period)

    def created(self, export: str) -> RequestRecord:
        """Record the export that the server created."""
        return replace(self, export=export).save()

    def renewed(self) -> RequestRecord:
        """Take another key, because the present one belongs to another request."""
        return replace(self, key=_new_key(self.digest), export=None).save()

    def save(self) -> RequestRecord:
        """Write the record. Raises InvalidTarget, DiskFull."""
        content = {name: value for name, value in asdict(self).items() if name != "path"}
        with disk_errors(self.path):
            write_json(self.path, content)
        return self

    def remove(self) -> None:
        """Remove the record: an equal request creates a new export from now on."""
        self.path.unlink(missing_ok=True)


def record_of(request: ExportRequest, server: str, folder: Path | None) -> RequestRecord:
    """Return the record of a request, which is written if there is none. Raises InvalidTarget."""
    parent = make_folder(folder or platformdirs.user_state_path(APPLICATION) / "requests")
    path = parent / f"{_PREFIX}{request.digest[:_NAME_DIGITS]}{_SUFFIX}"
    found = _load(path)
    if found is not None and (found.server, found.digest) == (server, request.digest):
        return found
    return RequestRecord(
        path, server, request.digest, _new_key(request.digest), dict(request.body), request.period
    ).save()


def records_in(folder: Path) -> Iterator[RequestRecord]:
    """Return the records in a folder."""
    for path in sorted(folder.glob(f"{_PREFIX}*{_SUFFIX}")):
        found = _load(path)
        if found is not None:
            yield found


def _load(path: Path) -> RequestRecord | None:
    """Return the record in a file; None if the file has none. A damaged record is one of no request."""
    value = read_json(path)
    try:
        return None if value is None else RequestRecord(path=path, **value)
    except TypeError:
        return None


def _new_key(digest: str) -> str:
    return f"client-{digest[:32]}-{secrets.token_hex(_NONCE_BYTES)}"
