"""A tenant over its budget gets a clear answer in every dialect, and does not affect other tenants."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fixtures.care import call
from tests.fixtures.dialects import DIALECT_CASES, DialectCase
from tests.fixtures.installation import Installation, Served
from tests.fixtures.talkdesk import TalkdeskWire
from tests.fixtures.workers import job_row

MARCH = ("2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z")
FIRST_DAY = ("2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z")


@pytest.fixture(scope="module")
def tight(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server without workers on which a tenant may keep one file."""
    installation = Installation(tmp_path_factory.mktemp("tight") / "home")
    installation.init("[budget]\nkept_files = 1\n[server]\nworker_silence_seconds = 0\n")
    yield Served(installation, installation.serve(workers=0))
    installation.close()


@pytest.mark.parametrize("case", DIALECT_CASES, ids=lambda case: case.dialect)
def test_over_the_budget_each_dialect_answers_429_in_its_own_form(case: DialectCase, tight: Served) -> None:
    with case.account(tight, "full") as account, case.account(tight, "other") as other:
        account.create()
        refused = account.client.send(account.client.build_create(case.export))
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) >= 1
        assert "limit of files is 1 (kept: 0, open exports: 1)" in json.dumps(refused.json())
        assert other.create().id


def test_an_export_that_outgrows_the_budget_fails_and_leaves_no_file(installation: Installation) -> None:
    """The attempt stops while it writes; a smaller export of the tenant, and others, succeed."""
    installation.init("[worker]\nattempts = 3\n[tenants.acme.budget]\nkept_mb = 1\n")
    credentials = {name: installation.add_tenant(name) for name in ("acme", "globex")}
    rows = [call(f"c{number}", "2026-03-05T10:00:00Z", notes="x" * 2_000) for number in range(3_000)]
    for name in credentials:
        installation.load("call", [*rows, call("early", "2026-03-01T10:00:00Z")], tenant=name)
    server = installation.serve(workers=1)
    with TalkdeskWire.connect(server.url, credentials["acme"]) as client:
        large, small = client.create("calls", *MARCH), client.create("calls", *FIRST_DAY)
        assert client.wait("calls", large) == "failed"
        assert client.wait("calls", small) == "done"
    with TalkdeskWire.connect(server.url, credentials["globex"]) as client:
        assert client.wait("calls", client.create("calls", *MARCH)) == "done"
    row = job_row(installation, large)
    assert (row["failure_code"], row["attempts"]) == ("budget_exceeded", 1)
    assert row["failure_message"].startswith("The file exceeds what is left of the account's budget (1 MiB);")
    stored = [path.name for path in Path(installation.home / "artifacts" / "files" / "acme").iterdir()]
    assert [name.partition(".")[0] for name in stored] == [small]
