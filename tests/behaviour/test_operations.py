"""Monitoring of the server: probes without credentials, exact metrics, and request ids."""

from __future__ import annotations

import shutil
import sqlite3
import uuid
from collections.abc import Callable

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.fixtures.care import call
from tests.fixtures.installation import Installation, Served
from tests.fixtures.polling import wait_for
from tests.fixtures.talkdesk import TalkdeskWire

TOKEN = "a-token-for-metrics"
MARCH = ("2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z")
SETTINGS = f"[metrics]\ntoken = '{TOKEN}'\n"


@pytest.fixture(scope="module")
def watched(shared_installations: Callable[[str], Installation]) -> Served:
    """A server of this module, so that other tests do not change its metrics."""
    made = shared_installations("watched")
    made.init(SETTINGS)
    return Served(made, made.serve(workers=1))


def ready(url: str) -> httpx.Response:
    return httpx.get(f"{url}/readyz", trust_env=False)


def scrape(url: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Return every sample by name and labels; check that every metric has a type and a help text."""
    answer = httpx.get(f"{url}/metrics", headers={"Authorization": f"Bearer {TOKEN}"}, trust_env=False)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    families = list(text_string_to_metric_families(answer.text))
    assert [family.name for family in families if not family.documentation or family.type == "unknown"] == []
    samples = [sample for family in families for sample in family.samples]
    found = {(sample.name, frozenset(sample.labels.items())): sample.value for sample in samples}
    assert len(found) == len(samples)
    return found


def at(name: str, **labels: str) -> tuple[str, frozenset[tuple[str, str]]]:
    return name, frozenset(labels.items())


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_probes_need_no_credentials_and_support_head(watched: Served, path: str) -> None:
    wait_for("the worker to be seen", lambda: ready(watched.url).status_code == 200)
    for method in ("GET", "HEAD"):
        answer = httpx.request(method, watched.url + path, trust_env=False)
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "no-store"
        assert bool(answer.content) is (method == "GET")
    assert httpx.post(watched.url + path, trust_env=False).status_code == 405


def test_a_server_without_workers_reports_that_it_is_not_ready(installation: Installation) -> None:
    installation.init("[server]\nworker_silence_seconds = 20\n")
    running = installation.serve(workers=0)
    answer = ready(running.url)
    assert answer.status_code == 503
    assert answer.json() == {
        "status": "not ready",
        "missing": ["No worker has been alive for 20 seconds."],
        "warnings": [],
    }
    assert httpx.get(f"{running.url}/healthz", trust_env=False).status_code == 200
    lines = [line for line in running.log_lines() if line["event"] == "readiness"]
    assert [line["missing"] for line in lines] == [answer.json()["missing"]]


def test_readiness_names_each_failed_check_without_paths(installation: Installation) -> None:
    installation.init("[server]\nworker_silence_seconds = 0\n")
    running, home = installation.serve(workers=0), installation.home
    assert ready(running.url).json() == {"status": "ready", "missing": [], "warnings": []}

    def missing() -> list[str]:
        words: list[str] = ready(running.url).json()["missing"]
        assert str(home) not in "".join(words)
        return words

    (home / "artifacts" / "staging").rename(home / "artifacts" / "elsewhere")
    wait_for("the store", lambda: missing() == ["The artifact store cannot be read or written."])
    (home / "artifacts" / "elsewhere").rename(home / "artifacts" / "staging")
    wait_for("the store to be back", lambda: missing() == [])

    with sqlite3.connect(home / "state.db") as connection:
        connection.execute("DELETE FROM alembic_version")
    wait_for("the schema", lambda: missing() == ["The state database has the schema of an older release."])
    with sqlite3.connect(home / "state.db") as connection:
        connection.execute("INSERT INTO alembic_version VALUES ('9999')")  # of a newer release: is supported
    wait_for("the schema to be new enough", lambda: missing() == [])
    connection.close()

    shutil.rmtree(home / "lake")
    (home / "lake").write_text("no folder")
    wait_for("the lake", lambda: missing() == ["The lake cannot be opened."])
    lines = [line for line in running.log_lines() if line["event"] == "readiness"]
    assert {bool(line["missing"]): line["level"] for line in lines} == {True: "warning", False: "info"}
    assert len(lines) == 5


def test_too_little_free_space_is_a_warning_and_leaves_the_server_ready(installation: Installation) -> None:
    """Otherwise one tenant that fills the disk would take polls and downloads from all."""
    free = shutil.disk_usage(installation.home.parent).free // 1024**2
    installation.init(f"[server]\nmin_free_mb = {free * 10}\nworker_silence_seconds = 0\n")
    answer = ready(installation.serve(workers=0).url)
    assert answer.status_code == 200
    assert answer.json()["missing"] == []
    assert answer.json()["warnings"] == [f"The artifact store has less than {free * 10} MiB of free space."]


def test_metrics_require_their_token(watched: Served, idle: Served) -> None:
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {TOKEN}"}):
        answer = httpx.get(f"{watched.url}/metrics", headers=headers, trust_env=False)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert "offtake_" not in answer.text
    assert httpx.get(f"{idle.url}/metrics", trust_env=False).status_code == 404  # no token in the settings


def test_metrics_count_every_export_exactly(watched: Served) -> None:
    """N exports count as N attempts with their rows and bytes."""
    wait_for("the worker", lambda: scrape(watched.url)[at("offtake_workers")] == 1)
    tenant = watched.tenant("counted")
    rows = [call(f"c{number}", f"2026-03-05T10:00:{number:02}Z") for number in range(7)]
    watched.installation.load("call", rows, tenant=tenant.tenant)
    before = scrape(watched.url)
    with watched.client(tenant) as client:
        jobs = [client.create("calls", *MARCH, format_=word) for word in ("csv", "json", "json_bulk") * 2]
        assert {client.wait("calls", job) for job in jobs} == {"done"}
        files = [client.download("calls", job) for job in jobs]
    route = "/download/{job}/{file_name}"
    downloads = at("offtake_http_requests_total", method="GET", route=route, status="200")
    # The server counts a response after it is sent, so the client may see its end first.
    wait_for("the last download to be counted", lambda: scrape(watched.url).get(downloads) == len(jobs))
    after = scrape(watched.url)

    def grown(name: str, **labels: str) -> float:
        return after[at(name, **labels)] - before.get(at(name, **labels), 0)

    assert grown("offtake_attempts_total", dialect="talkdesk", outcome="succeeded") == len(jobs)
    assert grown("offtake_jobs_ended_total", dialect="talkdesk", status="succeeded") == len(jobs)
    assert grown("offtake_exported_rows_total", dialect="talkdesk") == 7 * len(jobs)
    assert grown("offtake_exported_bytes_total", dialect="talkdesk") == sum(len(file.content) for file in files)
    assert grown("offtake_attempt_duration_seconds_count", dialect="talkdesk") == len(jobs)
    assert grown("offtake_attempt_duration_seconds_bucket", dialect="talkdesk", le="+Inf") == len(jobs)
    assert grown("offtake_attempt_duration_seconds_sum", dialect="talkdesk") > 0
    assert grown("offtake_http_response_bytes_total", route=route) == sum(len(file.content) for file in files)
    assert after[at("offtake_open_jobs", dialect="talkdesk", status="queued")] == 0
    assert after[at("offtake_sweeps_total", task="sweep")] >= 1
    assert after[at("offtake_store_up")] == 1
    assert after[at("offtake_maintenance_leader")] == 1
    assert not any(tenant.tenant in str(labels) for _, labels in after)


def test_the_queue_age_grows_without_workers(installation: Installation) -> None:
    installation.init(SETTINGS)
    tenant = installation.add_tenant("acme")
    url = installation.serve(workers=0).url
    assert scrape(url)[at("offtake_queue_age_seconds", dialect="talkdesk")] == 0
    with TalkdeskWire.connect(url, tenant) as client:
        jobs = [client.create("calls", *MARCH) for _ in range(3)]
        cancelled = client.cancel("calls", jobs[0])
    assert cancelled.status_code == 204
    samples = scrape(url)
    assert samples[at("offtake_open_jobs", dialect="talkdesk", status="queued")] == 2
    assert samples[at("offtake_queue_age_seconds", dialect="talkdesk")] > 0
    assert samples[at("offtake_jobs_ended_total", dialect="talkdesk", status="cancelled")] == 1
    assert samples[at("offtake_workers")] == 0


def test_an_unknown_path_adds_no_series(watched: Served) -> None:
    for number in range(3):
        assert httpx.get(f"{watched.url}/no/such/{number}", trust_env=False).status_code == 404
    routes = {labels for name, labels in scrape(watched.url) if name == "offtake_http_requests_total"}
    assert not any("no/such" in str(labels) for labels in routes)
    assert at("offtake_http_requests_total", method="GET", route="(none)", status="404")[1] in routes


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_the_document_of_all_dialects_is_counted_under_its_own_route(watched: Served, method: str) -> None:
    assert httpx.request(method, f"{watched.url}/openapi.json", trust_env=False).status_code == 200
    answered = at("offtake_http_requests_total", method=method, route="/openapi.json", status="200")
    wait_for("it to be counted", lambda: answered in scrape(watched.url))


def test_a_valid_request_id_is_adopted_and_an_invalid_one_is_replaced(watched: Served) -> None:
    sent = str(uuid.uuid4())
    url = f"{watched.url}/data/reports"
    answer = httpx.get(url, headers={"X-Request-Id": sent}, trust_env=False)
    assert answer.headers["x-request-id"] == sent
    lines = wait_for("the line", lambda: [one for one in watched.running.log_lines() if one.get("request") == sent])
    assert [line["event"] for line in lines] == ["request"]
    for odd in ("short", "a user's secret", "x" * 500, sent + "0"):
        assert httpx.get(url, headers={"X-Request-Id": odd}, trust_env=False).headers["x-request-id"] != odd
        assert odd not in watched.running.log.read_text() or odd == "short"


def test_probes_are_not_logged(watched: Served) -> None:
    assert ready(watched.url).status_code in (200, 503)
    routes = [line["route"] for line in watched.running.log_lines() if line["event"] == "request"]
    assert not {"/readyz", "/healthz", "/metrics"}.intersection(routes)
