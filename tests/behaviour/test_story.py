"""The life of an export in every dialect: create, poll, download, cancel, delete, list, expire, and access by others.

A dialect joins with its case (``tests/fixtures/dialects``); ``tests/contract`` has what only one dialect does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import pytest

from dialect_clients import Job, JobFailed, JobState, Operation, UnsupportedOperation
from tests.fixtures.databases import DATABASES
from tests.fixtures.dialects import DIALECT_CASES, Account, DialectCase
from tests.fixtures.installation import Served
from tests.fixtures.polling import TIMEOUT_SECONDS, wait_for


def supporting(operation: Operation) -> pytest.MarkDecorator:
    """Parametrise with the dialects that have the operation."""
    return _parametrised([case for case in DIALECT_CASES if operation in case.operations])


def _parametrised(cases: Sequence[DialectCase]) -> pytest.MarkDecorator:
    """Parametrise per module, so that each dialect's tenants are created once."""
    names = [case.dialect for case in cases]
    return pytest.mark.parametrize("case", cases, ids=names, indirect=True, scope="module")


all_dialects = _parametrised(DIALECT_CASES)


@pytest.fixture(scope="module")
def case(request: pytest.FixtureRequest) -> DialectCase:
    """The dialect."""
    found: DialectCase = request.param
    return found


@pytest.fixture(scope="module", params=DATABASES)
def database(request: pytest.FixtureRequest) -> str:
    """The database of the state."""
    return str(request.param)


@pytest.fixture(scope="module")
def working(request: pytest.FixtureRequest, database: str) -> Served:
    """A server with a worker."""
    name = "busy" if database == "sqlite" else "busy_on_postgresql"
    served: Served = request.getfixturevalue(name)
    return served


@pytest.fixture(scope="module")
def resting(request: pytest.FixtureRequest, database: str) -> Served:
    """A server without workers."""
    name = "idle" if database == "sqlite" else "idle_on_postgresql"
    served: Served = request.getfixturevalue(name)
    return served


@pytest.fixture(scope="module")
def account(case: DialectCase, working: Served) -> Iterator[Account]:
    """A tenant with data, on a server with a worker."""
    with case.account(working, "story") as made:
        case.load(working, made.tenant)
        yield made


@pytest.fixture(scope="module")
def stranger(case: DialectCase, working: Served) -> Iterator[Account]:
    """A tenant without data, on the same server."""
    with case.account(working, "stranger") as made:
        yield made


@pytest.fixture(scope="module")
def waiting(case: DialectCase, resting: Served) -> Iterator[Account]:
    """A tenant on a server without workers."""
    with case.account(resting, "story") as made:
        yield made


def finished(account: Account) -> Job:
    """Create a job and wait for its file."""
    job = account.create()
    account.client.wait(job, timeout_seconds=TIMEOUT_SECONDS, poll_seconds=0.05)
    return job


@all_dialects
def test_a_job_is_open_until_its_file_is_ready(case: DialectCase, account: Account) -> None:
    job, states = account.create(), []

    def ended() -> bool:
        states.append(account.client.state(job))
        return states[-1] is not JobState.OPEN

    wait_for("the end of the job", ended)
    assert set(states) <= {JobState.OPEN, JobState.READY}
    assert states[-1] is JobState.READY
    assert [account.keys(job) for _ in range(2)] == [list(case.expected_keys)] * 2
    assert account.client.state(job) is JobState.READY


@all_dialects
def test_an_export_without_rows_is_a_complete_file(stranger: Account) -> None:
    assert stranger.keys(finished(stranger)) == []


@all_dialects
def test_an_open_job_has_no_file(waiting: Account) -> None:
    job = waiting.create()
    assert waiting.client.state(job) is JobState.OPEN
    assert waiting.keys(job) is None


@all_dialects
def test_a_foreign_job_gets_the_response_of_an_unknown_one(
    case: DialectCase, account: Account, stranger: Account
) -> None:
    job = finished(account)
    assert stranger.read_status(job) == stranger.read_status(case.unknown)
    assert stranger.client.state(job) is stranger.client.state(case.unknown)
    assert stranger.keys(job) is None
    if Operation.CANCEL in case.operations:
        assert not stranger.client.cancel(job)
    if Operation.DELETE in case.operations:
        assert not stranger.client.delete(job)
    if Operation.LIST in case.operations:
        assert job.id not in {each.id for each in stranger.client.list_jobs(case.export.report)}
    assert account.keys(job) == list(case.expected_keys)


@supporting(Operation.CANCEL)
def test_a_job_can_be_cancelled_until_it_ends(waiting: Account, account: Account) -> None:
    job = waiting.create()
    assert waiting.client.cancel(job)
    assert waiting.client.state(job) is JobState.CANCELLED
    assert waiting.keys(job) is None
    assert not waiting.client.cancel(job)
    with pytest.raises(JobFailed):
        waiting.client.wait(job)
    done = finished(account)
    assert not account.client.cancel(done)
    assert account.client.state(done) is JobState.READY


@supporting(Operation.DELETE)
def test_a_file_can_be_deleted_once_it_exists(waiting: Account, account: Account, working: Served) -> None:
    assert not waiting.client.delete(waiting.create())
    job = finished(account)
    assert files(working, account, job)
    assert account.client.delete(job)
    assert files(working, account, job) == []
    assert account.client.state(job) in (JobState.GONE, JobState.UNKNOWN)
    assert account.keys(job) is None
    assert not account.client.delete(job)


@supporting(Operation.LIST)
def test_a_list_has_the_jobs_of_the_tenant_newest_first(case: DialectCase, waiting: Account) -> None:
    older, newer = waiting.create(), waiting.create()
    assert [job.id for job in waiting.client.list_jobs(case.export.report)][:2] == [newer.id, older.id]


@all_dialects
def test_a_client_refuses_operations_that_its_dialect_does_not_have(case: DialectCase, waiting: Account) -> None:
    job = waiting.create()
    client = waiting.client
    calls: dict[Operation, Callable[[], object]] = {
        Operation.CANCEL: lambda: client.cancel(job),
        Operation.DELETE: lambda: client.delete(job),
        Operation.LIST: lambda: client.list_jobs(case.export.report),
    }
    for operation in frozenset(Operation) - case.operations:
        with pytest.raises(UnsupportedOperation):
            calls[operation]()


@all_dialects
def test_a_file_is_removed_at_the_end_of_its_retention(account: Account, working: Served) -> None:
    job = finished(account)
    job_id = account.case.job_id(working, job)
    working.installation.outlive(job_id)
    assert account.client.state(job) in (JobState.GONE, JobState.UNKNOWN)
    assert account.keys(job) is None
    working.installation.expire(job_id)
    assert files(working, account, job) == []
    assert account.client.state(job) in (JobState.GONE, JobState.UNKNOWN)
    assert account.keys(job) is None


def files(served: Served, account: Account, job: Job) -> list[str]:
    """Return the names of a job's files in the artifact store."""
    job_id = account.case.job_id(served, job)
    return [path.name for path in (served.installation.home / "artifacts").rglob(f"{job_id}*")]
