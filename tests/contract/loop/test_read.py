"""Reading an export: authorization, visibility and status words (Loop contract 3, 4, 6, 7, 9)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from sqlalchemy import update

from offtake.core.admin import identity, tenants
from offtake.core.auth.caller import Caller
from offtake.core.exports.create import create_export
from offtake.core.exports.read import JobRef, get_export
from offtake.errors import ExportError
from offtake.model.job import Failure, Status
from offtake.model.tenant import DEFAULT_SCOPES, Principal, Scope, Tenant
from offtake.store import audit, job_claims, job_queries, jobs
from offtake.store.schema import credential, job
from offtake.wire.loop.tables import STATUS
from tests.fixtures import loop
from tests.fixtures.golden import golden
from tests.fixtures.in_process import InProcess, in_process
from tests.fixtures.loop import ADMIN, BOSS, END, OLGA, PEOPLE, RITA, START, TALKS, UNKNOWN, LoopWire, assert_refused

PATIENT = "[loop]\ncreates_per_minute = 100000\nreads_per_minute = 100000\nopen_jobs = 1000\n"
GONE = {"status": "PendingOrExpired"}


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcess]:
    with in_process(tmp_path_factory.mktemp("read"), PATIENT) as made:
        for name in ("acme", "globex"):
            identity.add_tenant(Tenant(name=name), made.on)
        loop.load(made.installation, "acme", [*PEOPLE, *TALKS])
        yield made


def member(here: InProcess, user: str | None, scopes: frozenset[Scope] = DEFAULT_SCOPES, **headers: str) -> LoopWire:
    """Return a client with a token of that person."""
    token = loop.token(here.installation, "acme", user, scopes)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return LoopWire(here.http, {"Authorization": f"Bearer {token}", **named})


@pytest.fixture(scope="module")
def boss(here: InProcess) -> LoopWire:
    return member(here, BOSS, ADMIN)


def shown(answer: httpx.Response) -> dict[str, str]:
    """Return the export-result object without its id."""
    assert answer.status_code == 200, answer.text
    return {name: value for name, value in answer.json().items() if name != "id"}


def test_every_state_has_a_status_word() -> None:
    assert set(STATUS) == set(Status)
    assert {word for word in STATUS.values() if word} == {"Processing", "Completed", "Failed"}


WORDS = [
    golden("7.2", "proposed", "current", "", "PendingOrExpired"),
    golden("7.2", "documented", "legacy", 'status_dialect = "legacy"\n', "Expired"),
]


@pytest.mark.parametrize(("setting", "word"), WORDS)
def test_the_status_word_of_each_state(tmp_path: Path, setting: str, word: str) -> None:
    """Loop contract 7.2, proposed."""
    with in_process(tmp_path, PATIENT + setting) as here:
        identity.add_tenant(Tenant(name="acme"), here.on)
        client = member(here, BOSS)
        export = client.create()
        seen = {"queued": shown(client.read(export))}
        with here.on.database.write() as connection:
            lease = job_claims.claim(connection, worker="w", now=here.now, until=here.now + timedelta(hours=1))
        assert lease is not None
        seen["running"] = shown(client.read(export))
        with here.on.database.write() as connection:
            assert jobs.schedule_retry(connection, lease, not_before=here.now)
        here.work()
        done = shown(client.read(export))
        assert done.pop("url").startswith("http://loop.test/RF_")
        assert done == {"status": "Completed"}
        here.advance(8 * 86_400)
        seen["expired"] = shown(client.read(export))
        seen["unknown"] = shown(client.read(UNKNOWN))
        failed, cancelled = client.create(), client.create()
        with here.on.database.write() as connection:
            other = job_claims.claim(connection, worker="w", now=here.now, until=here.now + timedelta(hours=1))
            assert other is not None
            failure = Failure(code="query_failed", message="The report's query failed.")
            assert jobs.fail(connection, other, failure, now=here.now)
            left = ({failed, cancelled} - {other.job.id}).pop()
            assert jobs.cancel(connection, left, tenant="acme", now=here.now)
        seen["failed"], seen["cancelled"] = shown(client.read(other.job.id)), shown(client.read(left))
    words = {"queued": "Processing", "running": "Processing", "failed": "Failed", "cancelled": "Failed"}
    assert seen == {state: {"status": words.get(state, word)} for state in seen}


MALFORMED = [
    golden("7.3", "proposed", "short", "123"),
    golden("7.3", "proposed", "no-dashes", UNKNOWN.replace("-", "")),
    golden("7.3", "proposed", "a-letter-too-many", UNKNOWN + "a"),
    golden("7.3", "proposed", "no-hex", UNKNOWN.replace("0", "g")),
    golden("7.3", "proposed", "injection", "'%20OR%201=1"),
]


@pytest.mark.parametrize("asked", MALFORMED)
def test_a_malformed_id_is_refused(boss: LoopWire, asked: str) -> None:
    assert_refused(boss.read(asked), 400, "InvalidExportId", "id")


def test_a_response_repeats_the_id_as_requested(boss: LoopWire) -> None:
    export = boss.create()
    assert boss.read(export.upper()).json() == {"id": export.upper(), "status": "Processing"}


def test_a_setting_makes_unknown_ids_404(tmp_path: Path) -> None:
    with in_process(tmp_path, "[loop]\nunknown_id = 404\n") as here:
        for name in ("acme", "globex"):
            identity.add_tenant(Tenant(name=name), here.on)
        token = loop.token(here.installation, "globex")
        foreign = LoopWire(here.http, {"Authorization": f"Bearer {token}"}).create()
        client = member(here, BOSS)
        bodies = [assert_refused(client.read(export), 404, "NotFound") for export in (foreign, UNKNOWN)]
    assert bodies[0] == bodies[1] | {"requestId": bodies[0]["requestId"]}


def test_an_export_is_visible_to_its_actor_its_effective_user_and_administrators(
    here: InProcess, boss: LoopWire
) -> None:
    """Loop contract 4, proposed: its actor, its effective user and administrators can read it; for others it does not
    exist."""
    rita, olga = member(here, RITA), member(here, OLGA, DEFAULT_SCOPES | {Scope.IMPERSONATE})
    as_rita = LoopWire(here.http, {**olga.headers, "X-Impersonate-User": RITA})
    boss_as_olga = LoopWire(here.http, {**boss.headers, "X-Impersonate-User": OLGA})
    whole = member(here, None)
    everyone = {"rita": rita, "olga": olga, "as_rita": as_rita, "boss": boss, "whole": whole}
    everyone["boss_as_olga"] = boss_as_olga
    sees = {
        "rita": (rita, {"rita", "as_rita", "boss", "whole"}),
        "olga": (olga, {"olga", "boss", "boss_as_olga", "whole"}),
        "for rita, by olga": (as_rita, {"rita", "olga", "as_rita", "boss", "boss_as_olga", "whole"}),
        "boss": (boss, {"boss", "whole"}),
        "whole": (whole, {"boss", "whole"}),
    }
    for whose, (owner, wanted) in sees.items():
        export = owner.create()
        found = {name for name, client in everyone.items() if client.status(export) == "Processing"}
        assert found == wanted, whose
        hidden = {client.read(export).text for name, client in everyone.items() if name not in wanted}
        assert hidden <= {f'{{"id":"{export}","status":"PendingOrExpired"}}'}


def exported_ids(here: InProcess, client: LoopWire, **body: object) -> list[str]:
    """Export and return the conversations of the file."""
    export = client.create(**body)
    with here.on.database.write() as connection:  # exports of other tests may be queued
        others = update(job).where(job.c.id != export, job.c.status == "queued")
        connection.execute(others.values(not_before=here.now + timedelta(days=1000)))
    here.work()
    return [row["conversationId"] for row in here.http.get(client.url(export)).json()]


def test_a_person_sees_rows_of_own_inboxes_only(here: InProcess) -> None:
    """Loop contract 4 and 5.2, V15, proposed: the owner of a token is its effective user, and a filter by inbox never
    grants access to it."""
    assert exported_ids(here, member(here, "Olga@acme.example")) == ["c2", "c4"]
    assert exported_ids(here, member(here, RITA)) == []
    assert exported_ids(here, member(here, RITA), teamIds=["sales", "support"]) == []
    assert exported_ids(here, member(here, None)) == exported_ids(here, member(here, BOSS, ADMIN)) == loop.ALL


def test_a_setting_shows_inboxes_without_members_to_active_agents_only(tmp_path: Path) -> None:
    """A token of a person who is no agent, or no longer one, gives an empty file."""
    with in_process(tmp_path, '[loop]\ninboxes_without_members = "visible"\n') as here:
        identity.add_tenant(Tenant(name="acme"), here.on)
        loop.load(here.installation, "acme", [*PEOPLE, *TALKS])
        assert exported_ids(here, member(here, RITA)) == ["c1", "c3", "c5"]
        assert exported_ids(here, member(here, "Olga@acme.example")) == loop.ALL
        for person in ("unknown@acme.example", "gone@acme.example"):
            assert exported_ids(here, member(here, person)) == []


IMPERSONATIONS = [
    golden("4", "proposed", "too-long", b"a" * 310 + b"@acme.example"),
    golden("4", "proposed", "control-character", b"rita\tx@acme.example"),
    golden("4", "proposed", "no-printable-character", "rita\u2028@acme.example".encode()),
]


@pytest.mark.parametrize("name", IMPERSONATIONS)
def test_an_invalid_impersonated_user_is_refused(boss: LoopWire, name: bytes) -> None:
    headers = [*boss.raw, (b"X-Impersonate-User", name)]
    answer = boss.http.get(f"{loop.API}/exports/{UNKNOWN}", headers=headers)
    assert_refused(answer, 400, "InvalidImpersonation", "X-Impersonate-User")


def test_two_impersonated_users_are_refused_and_a_blank_one_is_ignored(boss: LoopWire) -> None:
    path = f"{loop.API}/exports/{UNKNOWN}"
    twice = [*boss.headers.items(), ("X-Impersonate-User", RITA), ("X-Impersonate-User", OLGA)]
    assert_refused(boss.http.get(path, headers=twice), 400, "InvalidImpersonation", "X-Impersonate-User")
    for blank in (b"", b"  "):
        answer = boss.http.get(path, headers=[*boss.raw, (b"X-Impersonate-User", blank)])
        assert shown(answer) == GONE


def test_every_impersonated_call_is_in_the_audit_log(here: InProcess) -> None:
    """Loop contract 4, proposed: refused calls, too."""
    client = member(here, "auditor@acme.example", DEFAULT_SCOPES | {Scope.IMPERSONATE}, X_Impersonate_User=RITA)
    refused = LoopWire(here.http, {**client.headers, "X-Impersonate-User": "Unknown@acme.example"})
    client.read(UNKNOWN)
    client.send_create({"start": 1, "end": 0})
    refused.read(UNKNOWN)
    with here.on.database.read() as connection:
        span = (here.now - timedelta(days=1), here.now + timedelta(days=1))
        log = [each.entry for each in audit.entries(connection, tenant="acme", start=span[0], end=span[1])]
    mine = [entry for entry in log if entry.actor == "auditor@acme.example"]
    assert {(entry.operation, entry.dialect) for entry in mine} == {("impersonate", "loop")}
    found = [(entry.effective, entry.outcome) for entry in mine]
    assert found == [(RITA, "allowed"), (RITA, "allowed"), ("unknown@acme.example", "refused")]


def test_an_impersonated_call_counts_against_its_actor(tmp_path: Path) -> None:
    """Loop contract 4, proposed: against the actor's rate, and the workspace's exports."""
    with in_process(tmp_path, "[loop]\nopen_jobs = 2\n") as here:
        identity.add_tenant(Tenant(name="acme"), here.on)
        loop.load(here.installation, "acme", PEOPLE)
        olga, rita = member(here, OLGA, DEFAULT_SCOPES | {Scope.IMPERSONATE}), member(here, RITA)
        as_rita = LoopWire(here.http, {**olga.headers, "X-Impersonate-User": RITA})
        callers = (as_rita, as_rita, olga, rita)
        left = [client.read(UNKNOWN).headers["ratelimit-remaining"] for client in callers]
        assert left == ["59", "58", "57", "59"]
        as_rita.create()
        olga.create()
        assert_refused(rita.send_create({"start": START, "end": END}), 429, "TooManyRequests")


TOKENS = [
    golden("3", "documented", "none", {}),
    golden("3", "documented", "empty", {"Authorization": ""}),
    golden("3", "proposed", "scheme-alone", {"Authorization": "Bearer"}),
    golden("3", "proposed", "unknown", {"Authorization": "Bearer abc.def"}),
    golden("3", "proposed", "no-dot", {"Authorization": "0f6d1c7e5b0a4c559d3e7a1f2b90c3aa"}),
    golden("3", "proposed", "basic", {"Authorization": "Basic cml0YTpyaXRh"}),
    golden("3", "proposed", "not-ascii", {"Authorization": "Bearer é".encode("latin-1")}),
]


@pytest.mark.parametrize("headers", TOKENS)
def test_a_request_without_a_valid_token_is_401(here: InProcess, headers: dict[str, str]) -> None:
    for answer in (
        here.http.get(f"{loop.API}/exports/{UNKNOWN}", headers=headers),
        here.http.post(f"{loop.API}/export", headers=headers, json={"start": START, "end": END}),
    ):
        assert_refused(answer, 401, "Unauthorized")
        assert answer.headers["www-authenticate"] == "Bearer"


def test_a_wrong_secret_another_kind_of_credential_and_a_revoked_token_are_401(here: InProcess) -> None:
    client = member(here, RITA)
    token = client.headers["Authorization"]
    wrong = LoopWire(here.http, {"Authorization": token[:-1] + ("A" if token[-1] != "A" else "B")})
    assert_refused(wrong.read(UNKNOWN), 401, "Unauthorized")
    oauth = here.installation.add_client("acme")
    other = LoopWire(here.http, {"Authorization": f"Bearer {oauth.client_id}.{oauth.client_secret}"})
    assert_refused(other.read(UNKNOWN), 401, "Unauthorized")
    # A Loop token is not valid at another dialect's token endpoint.
    secret = token.removeprefix("Bearer ").split(".")
    answer = here.http.post("/oauth/token", data={"grant_type": "client_credentials"}, auth=(secret[0], secret[1]))
    assert answer.status_code == 401
    assert shown(client.read(UNKNOWN)) == GONE
    with here.on.database.write() as connection:
        connection.execute(update(credential).where(credential.c.id == secret[0].split(" ")[-1]).values(revoked=True))
    assert_refused(client.read(UNKNOWN), 401, "Unauthorized")


def test_a_token_is_limited_to_its_scopes(here: InProcess) -> None:
    reader, writer = (member(here, RITA, frozenset({scope})) for scope in (Scope.READ, Scope.WRITE))
    assert_refused(reader.send_create({"start": START, "end": END}), 403, "Forbidden")
    assert_refused(writer.read(UNKNOWN), 403, "Forbidden")
    assert shown(reader.read(UNKNOWN)) == GONE
    assert writer.create()


def test_an_account_that_is_not_verified_is_451(here: InProcess) -> None:
    """Loop contract 3, documented as an error; its status and code are proposed."""
    identity.add_tenant(Tenant(name="unverified", is_verified=False), here.on)
    token = loop.token(here.installation, "unverified")
    client = LoopWire(here.http, {"Authorization": f"Bearer {token}"})
    assert_refused(client.send_create({"start": START, "end": END}), 451, "AccountNotVerified")
    assert_refused(client.read(UNKNOWN), 451, "AccountNotVerified")
    tenants.change_tenant(Tenant(name="unverified", is_verified=True), "root", here.on)
    assert shown(client.read(UNKNOWN)) == GONE
    tenants.change_tenant(Tenant(name="unverified", is_verified=False), "root", here.on)
    assert_refused(client.read(UNKNOWN), 451, "AccountNotVerified")


PATHS = [
    golden("1", "documented", "create-in-the-plural", "POST", f"{loop.API}/exports", 404),
    golden("1", "documented", "read-in-the-singular", "GET", f"{loop.API}/export/{UNKNOWN}", 404),
    golden("1", "documented", "no-list", "GET", f"{loop.API}/exports", 404),
    golden("9", "proposed", "root", "GET", loop.API, 404),
    golden("9", "proposed", "get-create", "GET", f"{loop.API}/export", 405),
    golden("9", "proposed", "delete", "DELETE", f"{loop.API}/exports/{UNKNOWN}", 405),
    golden("9", "proposed", "post-a-file", "POST", f"/RF_{UNKNOWN}", 405),
]


@pytest.mark.parametrize(("method", "path", "status"), PATHS)
def test_paths_and_methods_that_do_not_exist(boss: LoopWire, method: str, path: str, status: int) -> None:
    answer = boss.http.request(method, path, headers=boss.headers)
    assert_refused(answer, status, {404: "NotFound", 405: "MethodNotAllowed"}[status])


def test_a_link_on_another_host_is_served_where_hosts_are_checked(tmp_path: Path) -> None:
    settings = """
[server]
public_url = "http://loop.test"
hosts = ["loop.test"]
[loop]
link_url = "https://files.example.test"
[tenants.acme.loop]
link_url = "https://acme.example.test:8443"
"""
    with in_process(tmp_path, settings) as here:
        for host in ("files.example.test", "acme.example.test:8443", "loop.test"):
            assert here.http.get("/RF_unknown", headers={"Host": host}).status_code != 421
        assert here.http.get("/RF_unknown", headers={"Host": "other.example.test"}).status_code == 421


def test_links_have_the_configured_url(tmp_path: Path) -> None:
    """Loop contract 8, documented: a host other than the API's, and a fixed form of path and query."""
    with in_process(tmp_path, '[loop]\nlink_url = "https://files.example.test/exports/"\n') as here:
        identity.add_tenant(Tenant(name="acme"), here.on)
        client = member(here, BOSS)
        export = client.create()
        here.work()
        link = urlsplit(client.url(export))
        assert (link.scheme, link.netloc, link.path) == ("https", "files.example.test", f"/exports/RF_{export}")
        names = [part.partition("=")[0] for part in link.query.split("&")]
        assert names == ["Expires", "Signature", "Key-Pair-Id"]
        file = here.http.get(f"/RF_{export}?{link.query}")
        assert (file.status_code, file.json()) == (200, [])
        headers = file.headers
        assert headers["content-disposition"] == f'attachment; filename="loop-export_{START}_{END}_{export[:8]}.json"'
        assert headers["cache-control"] == "private, no-store"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["accept-ranges"] == "bytes"
        head = here.http.head(f"/RF_{export}?{link.query}")
        assert (head.status_code, head.headers["content-length"]) == (200, str(len(file.content)))
        beyond = here.http.get(f"/RF_{export}?{link.query}", headers={"Range": "bytes=9999-"})
        assert_refused(beyond, 416, "RangeNotSatisfiable")
        other = here.http.get(f"/RF_{export}?{link.query}", headers={"If-Match": '"another"'})
        assert_refused(other, 412, "PreconditionFailed")
        for changed in (link.query.replace("Key-Pair-Id=K", "Key-Pair-Id=X"), link.query.replace("&Key-Pair-Id", "&x")):
            assert_refused(here.http.get(f"/RF_{export}?{changed}"), 403, "SignatureInvalid")
        foreign = f"/RF_{UNKNOWN}?{link.query}"
        assert_refused(here.http.get(foreign), 403, "SignatureInvalid")


def test_further_details_of_an_export_are_in_headers(tmp_path: Path) -> None:
    """Loop contract 13, proposed."""
    with in_process(tmp_path) as here:
        identity.add_tenant(Tenant(name="acme"), here.on)
        client = member(here, BOSS)
        export = client.create()
        assert client.read(export).headers["x-export-state"] == "queued"
        here.work()
        headers = client.read(export).headers
        file = here.http.get(client.url(export))
        assert (headers["x-export-rows"], headers["x-export-bytes"]) == ("0", str(len(file.content)))
        assert f'"{headers["x-export-sha256"]}"' == file.headers["etag"]
        assert headers["x-export-expires"] == "2026-04-09T00:00:00Z"


def test_a_report_without_a_viewer_parameter_is_refused_to_a_person(here: InProcess, boss: LoopWire) -> None:
    """Loop contract 4, proposed: without the parameter, a custom report would show all rows."""
    with here.on.database.read() as connection:
        mine = job_queries.get(connection, boss.create())
    assert mine is not None
    person = Principal(tenant="acme", credential="c", scopes=DEFAULT_SCOPES, user=RITA)
    calls = Caller(principal=person)
    assert create_export(mine.request, calls, here.on).request.parameters.viewer_email == RITA
    other = replace(mine.request, report="calls")
    with pytest.raises(ExportError, match="one person"):
        create_export(other, calls, here.on)
    with pytest.raises(ExportError):
        get_export(JobRef(id=mine.id, dialect="loop"), calls, here.on)
