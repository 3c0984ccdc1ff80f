"""The quota of unfinished jobs holds for concurrent requests, and each tenant has its own."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.fixtures.bodies import assert_refused
from tests.fixtures.installation import Installation, Served
from tests.fixtures.talkdesk import TalkdeskWire

BODY = {"timespan": {"from": "2026-03-01T00:00:00Z", "to": "2026-03-02T00:00:00Z"}}
THREADS = 40
QUOTA = 15


def all_at_once(clients: Sequence[TalkdeskWire]) -> list[httpx.Response]:
    """Create one export per client, concurrently: each in its own thread, over its own open connection."""
    start = threading.Barrier(len(clients))

    def create(client: TalkdeskWire) -> httpx.Response:
        with httpx.Client(base_url=client.http.base_url, timeout=60, trust_env=False) as http:
            assert http.get("/", headers=client.headers).status_code == 200  # this opens the connection
            start.wait()
            return http.post("/data/reports/calls/jobs", json=BODY, headers=client.headers)

    with ThreadPoolExecutor(len(clients)) as pool:
        return list(pool.map(create, clients))


@pytest.mark.parametrize("round_", range(3))
def test_of_40_concurrent_creates_15_are_accepted(round_: int, idle: Served) -> None:
    with idle.client(idle.tenant(f"crowd-{round_}")) as client:
        answers = all_at_once([client] * THREADS)
        accepted = [answer for answer in answers if answer.status_code == 202]
        assert len(accepted) == QUOTA
        assert len({answer.json()["job"]["id"] for answer in accepted}) == QUOTA
        for answer in answers:
            if answer not in accepted:
                assert_refused(answer, 429, "1020017")
                assert int(answer.headers["retry-after"]) >= 1
        # Every accepted job exists, and cancelling one allows one more.
        jobs = [answer.json()["job"]["id"] for answer in accepted]
        assert {client.status("calls", job) for job in jobs} == {"created"}
        assert client.cancel("calls", jobs[0]).status_code == 204
        again = all_at_once([client] * 10)
        assert Counter(answer.status_code for answer in again) == {202: 1, 429: 9}


def test_a_tenant_may_send_so_many_requests_in_a_minute(installation: Installation) -> None:
    """In the shapes of the API and of the token endpoint; a tenant may have a limit of its own."""
    installation.init("[talkdesk]\nrequests_per_minute = 4\n[tenants.other.talkdesk]\nrequests_per_minute = 5\n")
    served = Served(installation, installation.serve(workers=0))
    for name, limit in (("acme", 4), ("other", 5)):
        credential = installation.add_tenant(name)
        with served.client(credential) as client:  # gets a token, which counts
            *listed, refused = (
                client.http.get("/data/reports/calls/jobs", headers=client.headers) for _ in range(limit)
            )
            assert [answer.status_code for answer in listed] == [200] * (limit - 1)
            assert_refused(refused, 429, "1020017")
            form = {"grant_type": "client_credentials"}
            auth = (credential.client_id, credential.client_secret)
            of_token = client.http.post("/oauth/token", data=form, auth=auth)
            assert (of_token.status_code, of_token.json()["error"]) == (429, "temporarily_unavailable")
            for answer in (refused, of_token):
                assert 1 <= int(answer.headers["retry-after"]) <= 60
    lines = [line for line in served.running.log_lines() if line.get("status") == 429]
    assert {line["refusal"] for line in lines} == {"tenant_rate"}


def test_a_tenant_may_have_a_quota_of_its_own(installation: Installation) -> None:
    installation.init(
        "[talkdesk]\nopen_jobs = 2\n[tenants.acme.talkdesk]\nopen_jobs = 3\n[tenants.gone.talkdesk]\nrows = 1\n"
    )
    quotas = {}
    credentials = {name: installation.add_tenant(name) for name in ("acme", "other")}
    running = installation.serve(workers=0)
    for name, credential in credentials.items():
        with TalkdeskWire.connect(running.url, credential) as client:
            quotas[name] = [client.send_create("calls", BODY).status_code for _ in range(4)].count(202)
    assert quotas == {"acme": 3, "other": 2}
    (line,) = [line for line in running.log_lines() if line["event"] == "settings_of_unknown_tenant"]
    assert line["tenant"] == "gone"


def test_two_tenants_do_not_share_a_quota(idle: Served) -> None:
    with idle.client(idle.tenant("left")) as left, idle.client(idle.tenant("right")) as right:
        answers = all_at_once([left, right] * (THREADS // 2))
        for mine in (answers[0::2], answers[1::2]):
            assert Counter(answer.status_code for answer in mine) == {202: QUOTA, 429: THREADS // 2 - QUOTA}


def test_two_clients_of_one_tenant_share_its_quota(idle: Served) -> None:
    tenant = idle.tenant("shared")
    with idle.client(tenant) as one, idle.client(idle.installation.add_client(tenant.tenant)) as other:
        answers = all_at_once([one, other] * (THREADS // 2))
    assert Counter(answer.status_code for answer in answers) == {202: QUOTA, 429: THREADS - QUOTA}
