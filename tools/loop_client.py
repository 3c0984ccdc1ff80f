"""An ordinary client of the Loop export report API, as anyone would write it against the vendor's manual: create, read
until the status is no longer Processing, download the url."""

from __future__ import annotations

import time
from pathlib import Path

import httpx

from export_client import ClientError, Download, Order, save


class LoopClient:
    """Talks to one server with one token."""

    def __init__(self, url: str, *, token: str) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        self._http = httpx.Client(base_url=url, timeout=60, trust_env=False, headers=headers)
        self._bare = httpx.Client(timeout=60, trust_env=False)  # a link needs no token

    def close(self) -> None:
        """Close the connections."""
        self._http.close()
        self._bare.close()

    def fetch(self, order: Order, path: Path, *, patience: float = 600) -> Download:
        """Order an export, wait for it and save it."""
        body = {
            "timezone": "UTC",
            "start": int(order.start.timestamp()),
            "end": int(order.end.timestamp()),
            "resultFormat": order.format,
        }
        export = _object(self._http.post("/api/v1/report/export", json=body))["id"]
        return save(self._bare, self._url(export, patience), path)

    def _url(self, export: str, patience: float, pause: float = 1.5) -> str:
        """Where the file of an export is, once it has completed. A token may read sixty times in a minute."""
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            found = _object(self._http.get(f"/api/v1/report/exports/{export}"))
            if found["status"] == "Completed":
                return found["url"]
            if found["status"] != "Processing":
                raise ClientError(f"the export {export} ended {found['status']}")
            time.sleep(pause)
        raise ClientError(f"the export {export} had not completed after {patience:g} s")


def _object(answer: httpx.Response) -> dict[str, str]:
    if answer.status_code != httpx.codes.OK:
        raise ClientError(f"{answer.request.method} {answer.request.url} answered {answer.status_code}: {answer.text}")
    found: dict[str, str] = answer.json()
    return found
