"""Failed logins, refused operations and unknown ids leave counted audit entries with the address, in every dialect."""

from __future__ import annotations

import base64
import json

import httpx
import pytest

from offtake.core.admin import identity
from offtake.core.admin.identity import NewCredential
from offtake.model.tenant import CredentialKind, Scope, Tenant
from tests.fixtures.bodies import UNKNOWN_JOB
from tests.fixtures.commands import command
from tests.fixtures.installation import Installation

TALKDESK = f"/data/reports/calls/jobs/{UNKNOWN_JOB}"
LOOP = f"/api/v1/report/exports/{UNKNOWN_JOB}"
KHOROS = "/api/public/reports/report/60a7f89c-e446-309c-8b4f-460bfdfd0dee/23" + "A" * 43 + "%3D/status?companyKey=key"
SPAN = {"start": 1_772_323_200, "end": 1_772_409_600}


def _basic(name: str, secret: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{secret}".encode()).decode()}


def test_refused_requests_of_each_dialect_are_counted_with_their_address(installation: Installation) -> None:
    installation.init("[server]\nworker_silence_seconds = 0\n[khoros]\nrequests_per_minute = 0\n")
    reads = frozenset({Scope.READ})
    made: dict[CredentialKind, NewCredential] = {}
    with installation.services() as on:
        identity.add_tenant(Tenant(name="acme", company_key="key"), on)
        for kind, user in ((CredentialKind.OAUTH, None), (CredentialKind.BASIC, "ann"), (CredentialKind.TOKEN, None)):
            made[kind] = identity.add_credential(
                "acme", kind, on, user=user, permissions=identity.Permissions(scopes=reads), name=f"my {kind}"
            )
    oauth, basic, token = (made[kind] for kind in (CredentialKind.OAUTH, CredentialKind.BASIC, CredentialKind.TOKEN))
    running = installation.serve(workers=0)
    ann = _basic("ann", basic.secret)
    bearer = {"Authorization": f"Bearer {token.credential.id}.{token.secret}"}
    with httpx.Client(base_url=running.url, trust_env=False) as http:
        asked = http.post(
            "/oauth/token",
            data={"grant_type": "client_credentials"},
            headers=_basic(oauth.credential.id, oauth.secret),
        )
        access = {"Authorization": f"Bearer {asked.json()['access_token']}"}
        statuses = [
            http.post(
                "/oauth/token", data={"grant_type": "client_credentials"}, headers=_basic(oauth.credential.id, "no")
            ),
            http.get(TALKDESK, headers={"Authorization": "Bearer nonsense"}),
            http.get(TALKDESK, headers=access),
            http.get(TALKDESK.replace("/jobs/", "/files/"), headers=access),
            http.post("/data/reports/calls/jobs", json={}, headers=access),
            http.get(KHOROS, headers=_basic("ann", "no")),
            http.get(KHOROS, headers=_basic("unknown", "hunter2-in-the-wrong-field")),
            http.get(KHOROS, headers=ann),
            http.get("/api/public/teams?companyKey=other", headers=ann),
            http.get(LOOP, headers={"Authorization": f"Bearer {token.credential.id}.no"}),
            http.get(LOOP, headers=bearer),
            http.get(LOOP, headers=bearer),
            http.post("/api/v1/report/export", json=SPAN, headers=bearer),
            http.get(f"/download/{UNKNOWN_JOB}/x.json?expires=1&signature=x"),
        ]
    assert [each.status_code for each in statuses] == [
        401,
        401,
        404,
        404,
        403,
        401,
        401,
        404,
        403,
        401,
        200,
        200,
        403,
        403,
    ]
    assert running.stop() == 0
    done = command("audit", "list", "--outcome", "refused", "--json", home=installation.home)
    entries = json.loads(done.out)["entries"]
    assert {entry["address"] for entry in entries} == {"127.0.0.1"}
    assert {
        (entry["operation"], entry["dialect"], entry["tenant"], entry["credential"]): entry["count"]
        for entry in entries
    } == {
        ("auth.fail", "talkdesk", "acme", oauth.credential.id): 1,
        ("auth.fail", "talkdesk", None, None): 1,
        ("job.not_found", "talkdesk", "acme", oauth.credential.id): 2,
        ("access.refuse", "talkdesk", "acme", oauth.credential.id): 1,
        ("auth.fail", "khoros", "acme", basic.credential.id): 1,
        ("auth.fail", "khoros", None, None): 1,
        ("job.not_found", "khoros", "acme", basic.credential.id): 1,
        ("access.refuse", "khoros", "acme", basic.credential.id): 1,
        ("auth.fail", "loop", "acme", token.credential.id): 1,
        ("job.not_found", "loop", "acme", token.credential.id): 2,
        ("access.refuse", "loop", "acme", token.credential.id): 1,
        ("link.refuse", "download", None, None): 1,
    }
    lines = [line for line in running.log_lines() if line["event"] == "request"]
    assert {line["address"] for line in lines} == {"127.0.0.1"}
    named = {(line.get("credential"), line.get("error")) for line in lines}
    assert named >= {
        ("my oauth", "job_not_found"),
        ("my oauth", "not_permitted"),
        ("my basic", "not_permitted"),
        ("my token", "not_permitted"),
        (None, "not_authenticated"),
        (None, "link_refused"),
    }
    text = running.log.read_text()
    assert "hunter2" not in text
    assert basic.secret not in text


@pytest.mark.parametrize("since", ["yesterday", "2026-03-01T00:00:00"])
def test_the_list_needs_an_instant_with_a_zone(installation: Installation, since: str) -> None:
    installation.init()
    done = command("audit", "list", "--since", since, home=installation.home)
    assert done.code == 2
    assert "write 2026-03-01T00:00:00Z" in done.err
    assert command("audit", "list", "--tenant", "nope", home=installation.home).code == 6
