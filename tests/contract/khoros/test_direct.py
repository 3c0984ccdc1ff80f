"""``download = "direct"``: the file under the dialect's path, with the dialect's errors (Khoros contract 4.7)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from offtake.artifacts.folder import FolderArtifacts
from offtake.core.admin import identity
from offtake.errors import StorageUnavailable
from offtake.model.tenant import CredentialKind, Scope, Tenant
from tests.contract.khoros.test_create import assert_failed
from tests.fixtures.in_process import in_process
from tests.fixtures.khoros import ROOT, ms

SETTINGS = """
[khoros]
requests_per_minute = 0
history_months = 0
download = "direct"
"""
DAY = ("2026-03-05T00:00:00", "2026-03-05T23:59:59.999")


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[httpx.Client, str]]:
    """A client, and the download URL of a finished export."""
    with in_process(tmp_path_factory.mktemp("direct"), SETTINGS) as here:
        identity.add_tenant(Tenant(name="acme", company_key="acme-c01"), here.on)
        user = identity.add_credential(
            "acme", CredentialKind.BASIC, here.on, user="ann", permissions=identity.Permissions(scopes=frozenset(Scope))
        )
        here.http.auth = ("ann", user.secret)
        query = {"companyKey": "acme-c01", "startTime": ms(DAY[0]), "endTime": ms(DAY[1]), "reportFormat": "csv"}
        created = here.http.get(f"{ROOT}/reports/report/author", params=query).json()["result"]
        here.work()
        yield here.http, here.http.get(created["statusUrl"]).json()["result"]["jobInfo"]["downloadUrl"]


def test_the_file_is_sent_whole_or_in_ranges(file: tuple[httpx.Client, str]) -> None:
    client, url = file
    whole = client.get(url)
    assert (whole.status_code, whole.headers["content-type"]) == (200, "text/csv; charset=utf-8")
    first = client.get(url, headers={"Range": "bytes=0-3"})
    assert (first.status_code, first.content) == (206, whole.content[:4])


def test_a_file_that_the_client_has_is_not_sent_again(file: tuple[httpx.Client, str]) -> None:
    client, url = file
    etag = client.get(url).headers["etag"]
    answer = client.get(url, headers={"If-None-Match": etag})
    assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", etag)


def test_a_failed_condition_has_the_khoros_error_body(file: tuple[httpx.Client, str]) -> None:
    client, url = file
    assert_failed(client.get(url, headers={"If-Match": '"other"'}), 412)


def test_a_range_beyond_the_file_has_the_khoros_error_body(file: tuple[httpx.Client, str]) -> None:
    client, url = file
    size = len(client.get(url).content)
    answer = client.get(url, headers={"Range": f"bytes={size}-"})
    assert_failed(answer, 416)
    assert answer.headers["content-range"] == f"bytes */{size}"


@pytest.mark.parametrize("method", ["size", "read"])
def test_an_unavailable_store_has_the_khoros_error_body(
    method: str, file: tuple[httpx.Client, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both before and while the server reads the file."""

    def unavailable(*_: Any) -> Any:
        raise StorageUnavailable("The artifact store does not answer.")

    client, url = file
    monkeypatch.setattr(FolderArtifacts, method, unavailable)
    answer = client.get(url)
    assert_failed(answer, 503)
    assert answer.headers["retry-after"] == "5"
