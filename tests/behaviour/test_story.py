"""The story of an export, told in every dialect: order, poll, download, cancel, delete, expire, and whose it is.

A dialect joins by its client (``tests/fixtures/clients``); what only one of them does is told in ``tests/contract``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from tests.fixtures.clients import SPEAKERS, Account, Speaker, State
from tests.fixtures.databases import KINDS
from tests.fixtures.installation import Served, wait_for


def able(word: str) -> pytest.MarkDecorator:
    """All dialects that have a word for it."""
    return _told_by([speaker for speaker in SPEAKERS if word in speaker.words_for])


def _told_by(speakers: Sequence[Speaker]) -> pytest.MarkDecorator:
    """Tenants are made once a dialect."""
    names = [speaker.dialect for speaker in speakers]
    return pytest.mark.parametrize("speaker", speakers, ids=names, indirect=True, scope="module")


everyone = _told_by(SPEAKERS)


@pytest.fixture(scope="module")
def speaker(request: pytest.FixtureRequest) -> Speaker:
    """Who tells it."""
    found: Speaker = request.param
    return found


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """On every database."""
    return str(request.param)


@pytest.fixture(scope="module")
def working(request: pytest.FixtureRequest, kind: str) -> Served:
    """A server that runs exports."""
    name = "busy" if kind == "sqlite" else "busy_on_postgresql"
    served: Served = request.getfixturevalue(name)
    return served


@pytest.fixture(scope="module")
def resting(request: pytest.FixtureRequest, kind: str) -> Served:
    """A server without workers."""
    name = "idle" if kind == "sqlite" else "idle_on_postgresql"
    served: Served = request.getfixturevalue(name)
    return served


@pytest.fixture(scope="module")
def account(speaker: Speaker, working: Served) -> Iterator[Account]:
    """A tenant with data, on a server that runs exports."""
    with speaker.account(working, "story") as made:
        speaker.fill(working, made.tenant)
        yield made


@pytest.fixture(scope="module")
def stranger(speaker: Speaker, working: Served) -> Iterator[Account]:
    """A tenant without data, on the same server."""
    with speaker.account(working, "stranger") as made:
        yield made


@pytest.fixture(scope="module")
def waiting(speaker: Speaker, resting: Served) -> Iterator[Account]:
    """A tenant on a server that runs no export."""
    with speaker.account(resting, "story") as made:
        yield made


def finished(account: Account) -> str:
    """A job whose file is there."""
    job = account.order()
    wait_for("a file", lambda: account.state(job) is State.READY)
    return job


@everyone
def test_from_the_order_to_the_file(speaker: Speaker, account: Account) -> None:
    job, seen = account.order(), []

    def ready() -> bool:
        seen.append(account.state(job))
        return seen[-1] is not State.OPEN

    wait_for("the end", ready)
    assert set(seen) <= {State.OPEN, State.READY}
    assert seen[-1] is State.READY
    assert [account.download(job) for _ in range(2)] == [list(speaker.wanted)] * 2
    assert account.state(job) is State.READY


@everyone
def test_nothing_to_export_is_a_whole_file_without_rows(stranger: Account) -> None:
    assert stranger.download(finished(stranger)) == []


@everyone
def test_there_is_no_file_before_the_end(waiting: Account) -> None:
    job = waiting.order()
    assert waiting.state(job) is State.OPEN
    assert waiting.download(job) is None


@everyone
def test_a_foreign_job_is_like_one_that_does_not_exist(speaker: Speaker, account: Account, stranger: Account) -> None:
    job = finished(account)
    assert stranger.look(job) == stranger.look(speaker.unknown)
    assert stranger.state(job) is stranger.state(speaker.unknown)
    assert stranger.download(job) is None
    for verb in speaker.words_for:
        assert not getattr(stranger, verb)(job)
    assert account.download(job) == list(speaker.wanted)


@able("cancel")
def test_a_job_can_be_cancelled_until_it_ends(waiting: Account, account: Account) -> None:
    job = waiting.order()
    assert waiting.cancel(job)
    assert waiting.state(job) is State.CANCELLED
    assert waiting.download(job) is None
    assert not waiting.cancel(job)
    done = finished(account)
    assert not account.cancel(done)
    assert account.state(done) is State.READY


@able("delete")
def test_a_file_can_be_deleted_once_it_is_there(waiting: Account, account: Account, working: Served) -> None:
    assert not waiting.delete(waiting.order())
    job = finished(account)
    assert files(working, account, job)
    assert account.delete(job)
    assert files(working, account, job) == []
    assert account.state(job) in (State.GONE, State.UNKNOWN)
    assert account.download(job) is None
    assert not account.delete(job)


@everyone
def test_a_file_goes_when_its_time_is_over(account: Account, working: Served) -> None:
    job = finished(account)
    working.installation.outlive(account.stored(job))
    assert account.state(job) in (State.GONE, State.UNKNOWN)
    assert account.download(job) is None
    working.installation.expire(account.stored(job))
    assert files(working, account, job) == []
    assert account.state(job) in (State.GONE, State.UNKNOWN)
    assert account.download(job) is None


def files(served: Served, account: Account, job: str) -> list[str]:
    """Whatever the artifact store has of a job."""
    return [path.name for path in (served.installation.home / "artifacts").rglob(f"{account.stored(job)}*")]
