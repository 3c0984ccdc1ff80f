"""Download links of every dialect end with the credential and its secret, and survive one rotation of the key."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta

import httpx
import pytest

from offtake.core.admin import identity
from offtake.core.admin.identity import NewCredential
from offtake.core.auth import client_auth, passwords, tokens
from offtake.core.auth.caller import Caller
from offtake.core.auth.client_auth import ClientSecret
from offtake.core.auth.tokens import TokenEndpoint
from offtake.core.exports import download
from offtake.core.exports.create import create_export
from offtake.core.exports.download import Link
from offtake.core.exports.read import JobRef
from offtake.core.services import Services
from offtake.errors import LinkExpired
from offtake.home import Home
from offtake.http import downloads
from offtake.model.request import ExportRequest
from offtake.model.tenant import DEFAULT_SCOPES, CredentialKind, Principal, Tenant
from offtake.wire.loop import links as loop_links
from tests.fixtures.exports import SPAN
from tests.fixtures.in_process import InProcess, in_process

REPORTS = {"talkdesk": "calls", "khoros": "incoming_post", "loop": "inbox_conversations"}


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InProcess]:
    with in_process(tmp_path_factory.mktemp("links")) as made:
        identity.add_tenant(Tenant(name="acme"), made.on)
        yield made


@dataclass(frozen=True, slots=True)
class Linked:
    """An exported file and a credential that gets links to it."""

    here: InProcess
    dialect: str
    job: str
    credential: str

    def link(self) -> str:
        """Return the path of a new link."""
        principal = Principal(tenant="acme", credential=self.credential, scopes=DEFAULT_SCOPES)
        made = download.mint(JobRef(id=self.job, dialect=self.dialect), Caller(principal=principal), self.here.on)
        return loop_links.link_path(made) if self.dialect == "loop" else downloads.link_path(made)

    def get(self, link: str) -> httpx.Response:
        return self.here.http.get(link)


@pytest.fixture(params=REPORTS)
def linked(request: pytest.FixtureRequest, here: InProcess) -> Linked:
    dialect: str = request.param
    made = identity.add_credential(
        "acme", CredentialKind.TOKEN, here.on, user=None, permissions=identity.Permissions(scopes=DEFAULT_SCOPES)
    )
    principal = Principal(tenant="acme", credential=made.credential.id, scopes=DEFAULT_SCOPES)
    wanted = ExportRequest(dialect=dialect, report=REPORTS[dialect], format="json", timespan=SPAN, name="x")
    job = create_export(wanted, Caller(principal=principal), here.on)
    here.work()
    return Linked(here, dialect, job.id, made.credential.id)


def test_a_link_ends_with_the_credential_that_asked_for_it(linked: Linked) -> None:
    link = linked.link()
    assert linked.get(link).status_code == 200
    other = identity.add_credential(
        "acme", CredentialKind.TOKEN, linked.here.on, user=None, permissions=identity.Permissions(scopes=DEFAULT_SCOPES)
    )
    also = Linked(linked.here, linked.dialect, linked.job, other.credential.id)
    kept = also.link()
    identity.revoke_credential(linked.credential, linked.here.on)
    refused = linked.get(link)
    assert refused.status_code == 403
    assert "revoked" in refused.text
    assert linked.get(kept).status_code == 200
    assert linked.credential not in link


def _authenticate(kind: CredentialKind, made: NewCredential, on: Services) -> Principal:
    """Authenticate with the secret as the dialect of that kind of credential does."""
    if kind is CredentialKind.BASIC:
        return passwords.log_in(made.credential.login, made.secret, on, address=None)
    if kind in (CredentialKind.TOKEN, CredentialKind.SHARE):
        return client_auth.authenticate_bearer(f"{made.credential.id}.{made.secret}", on, kind=kind)
    secret = ClientSecret(client_id=made.credential.id, secret=made.secret)
    client = client_auth.authenticate_client(secret, on, address=None)
    issued = tokens.issue(client, TokenEndpoint(dialect="talkdesk", address=None), on, requested=None)
    return tokens.authenticate(issued.text, on)


@pytest.mark.parametrize("kind", CredentialKind)
def test_a_link_ends_with_the_secret_that_asked_for_it(kind: CredentialKind, here: InProcess) -> None:
    on, user = here.on, f"user-{kind}"
    first = identity.add_credential(
        "acme", kind, on, user=user, permissions=identity.Permissions(scopes=DEFAULT_SCOPES)
    )
    first_principal = _authenticate(kind, first, on)
    wanted = ExportRequest(dialect="loop", report=REPORTS["loop"], format="json", timespan=SPAN, name="x")
    ref = JobRef(id=create_export(wanted, Caller(principal=first_principal), on).id, dialect="loop")
    here.work()

    def link(principal: Principal) -> Link:
        return download.mint(ref, Caller(principal=principal), on)

    def status(made: Link) -> int:
        return here.http.get(loop_links.link_path(made)).status_code

    of_first = link(first_principal)
    second = identity.rotate_secret(first.credential.id, on, overlap=timedelta(minutes=1))
    of_both = [of_first, link(first_principal), link(_authenticate(kind, second, on))]
    assert [status(each) for each in of_both] == [200] * 3
    after = replace(on, clock=lambda: on.clock() + timedelta(minutes=2))  # links last longer
    with pytest.raises(LinkExpired):
        download.open_link(ref.id, expires=str(of_first.expires), signature=of_first.signature, on=after)
    third = identity.rotate_secret(first.credential.id, on, overlap=timedelta(0))
    assert [status(each) for each in of_both] == [403] * 3
    assert status(link(_authenticate(kind, third, on))) == 200


def test_a_link_survives_one_rotation_of_the_key_and_a_leaked_key_ends_at_once(linked: Linked) -> None:
    keys = Home(linked.here.installation.home).signing_keys()
    first = linked.link()
    keys.rotate()
    second = linked.link()
    assert {linked.get(link).status_code for link in (first, second)} == {200}
    assert (f"Key-Pair-Id={keys.read().current.id}" in second) is (linked.dialect == "loop")
    keys.rotate(keep_old=False)
    assert {linked.get(link).status_code for link in (first, second)} == {403}
    assert linked.get(linked.link()).status_code == 200
