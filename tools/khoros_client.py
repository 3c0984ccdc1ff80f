"""An ordinary client of the Khoros analytics reports API, as anyone would write it against the vendor's manual: create,
poll the status URL until the run is CLOSED and COMPLETED, follow the redirect of the download URL."""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from export_client import ClientError, Download, Order, save

_DAY = "86400000"  # milliseconds


class KhorosClient:
    """Talks to one server as one user."""

    def __init__(self, url: str, *, company_key: str, user: str, password: str) -> None:
        self._http = httpx.Client(base_url=url, timeout=60, trust_env=False, auth=(user, password))
        self._company_key = company_key

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def fetch(self, order: Order, path: Path, *, patience: float = 600) -> Download:
        """Order an export, wait for it and save it."""
        parameters = {
            "companyKey": self._company_key,
            "startTime": _milliseconds(order.start),
            "endTime": str(int(_milliseconds(order.end)) - 1),  # the end belongs to the timespan
            "reportFormat": order.format,
            "timeInterval": _DAY,  # ignored where it does not apply
        }
        answer = self._http.post(f"/api/public/reports/report/{order.report}", params=parameters)
        return save(self._http, self._link(_result(answer)["statusUrl"], patience), path)

    def _link(self, status_url: str, patience: float, pause: float = 0.2) -> str:
        """Where the file of a run is, once it has completed."""
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            found = _result(self._http.get(status_url))
            if found["result"]["runnerState"] == "CLOSED":
                if found["result"]["detail"] != "COMPLETED":
                    raise ClientError(f"the run ended {found['result']['detail']}: {status_url}")
                answer = self._http.get(found["jobInfo"]["downloadUrl"])
                if answer.status_code != httpx.codes.TEMPORARY_REDIRECT:
                    raise ClientError(f"expected 307 from the download, got {answer.status_code}: {answer.text}")
                return answer.headers["location"]
            time.sleep(pause)
        raise ClientError(f"{status_url} had not completed after {patience:g} s")


def _milliseconds(instant: datetime) -> str:
    return str(round(instant.timestamp() * 1000))


def _result(answer: httpx.Response) -> dict[str, Any]:
    body: dict[str, Any] = answer.json()
    if answer.status_code != httpx.codes.OK or body["status"] != "PASS":
        raise ClientError(f"{answer.request.method} {answer.request.url} answered {answer.status_code}: {answer.text}")
    result: dict[str, Any] = body["result"]
    return result
