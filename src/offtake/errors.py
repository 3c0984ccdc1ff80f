"""Every error of the product, one class per thing a caller can do about it.

    OfftakeError
    ├── ExportError                 said to the caller of an API, worded by each dialect
    │   ├── InvalidRequest          mend the named fields
    │   │   ├── UnknownReport       choose a report that exists
    │   │   ├── InvalidZone         use an IANA zone name
    │   │   ├── ReversedTimespan    end must be later than start
    │   │   ├── TimespanTooLong     ask for a shorter timespan
    │   │   └── InvalidScope        ask for no more than was granted
    │   ├── NotAuthenticated        get a (new) token
    │   ├── InvalidGrant            begin again with the client's own proof
    │   ├── AccountNotVerified      have the account verified
    │   ├── NotPermitted            ask for the missing scope
    │   │   └── ImpersonationRefused    act for yourself, or for somebody you may act for
    │   ├── JobNotFound             unknown, or another tenant's: never told apart
    │   ├── ArtifactNotFound        not ready, expired, deleted or unknown
    │   ├── ArtifactGone            nothing is left to delete
    │   ├── JobStateConflict        not possible in the job's present state
    │   │   └── JobOnHold           have the operator release it
    │   ├── IdempotencyConflict     repeat the first request, or use another key
    │   ├── LinkRefused             mint a new download link
    │   │   └── LinkExpired         the same; it was genuine once
    │   ├── QuotaExceeded           wait until a job ends
    │   ├── RateExceeded            wait, then go slower
    │   ├── AuditUnavailable        try again: nothing happened
    │   └── Unavailable             try again: the store cannot be reached
    ├── AttemptError                ends one attempt of a job; ``retryable`` says whether another may follow
    │   ├── AttemptInterrupted      the lease is lost, the job was cancelled, or the worker is stopping
    │   ├── ResourceExhausted       out of memory, disk or temporary space
    │   ├── StorageUnavailable      lake or artifact store cannot be read or written
    │   ├── ArtifactMismatch        the written file is not what was counted
    │   ├── NotUnderstood           of another release or catalogue; a worker of that one can run it
    │   ├── RowLimitExceeded        more rows than the request may have
    │   └── QueryFailed             the data or the report's query is wrong
    └── OperatorError               said to a person at the command line
        ├── SettingsError           file, line and the name that might have been meant
        ├── CatalogueError          a report folder that breaks a rule, with file and line
        ├── LakeError               the lake cannot be read or written as asked
        │   └── LoadRejected        a row that breaks the data model, with file, line, column and reason
        ├── InvalidExpression       a filter expression that cannot be read, and where
        ├── HomeError               the home folder is missing or unusable
        │   └── HomeInUse           stop the servers and workers on it
        ├── StateError              the state cannot be moved there, or not now
        ├── UnknownName             no such tenant, table, credential, job
        ├── InvalidKey              a key that is not what may be registered
        └── NameTaken               it exists already

An error knows no HTTP and no exit code: dialects and the command line each have one table for that.
Messages never hold secrets, filter values or rows; ``LoadRejected`` alone quotes the offending value, and only to the
operator who loads the file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar


class OfftakeError(Exception):
    """Root of all errors; ``code`` is stable, ``message`` is safe to show."""

    code: ClassVar[str] = "internal"
    retryable: ClassVar[bool] = False

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


def traceback_locations(error: BaseException) -> list[str]:
    """Where an error came from, innermost last: what may be logged of an error whose text may quote rows."""
    trace, found = error.__traceback__, []
    while trace is not None:
        found.append(f"{trace.tb_frame.f_code.co_qualname}:{trace.tb_lineno}")
        trace = trace.tb_next
    return found[-6:]


# --- said to the caller of an API ------------------------------------------------------------------------------------


class ExportError(OfftakeError):
    """Something the caller of an API can act on."""


@dataclass(frozen=True, slots=True)
class FieldFault:
    """One faulty field of a request: its name on the wire and what is wrong with it."""

    name: str
    description: str


class InvalidRequest(ExportError):
    """The request cannot be understood; ``fields`` names the culprits."""

    code = "invalid_request"

    def __init__(self, message: str, fields: Sequence[FieldFault] = ()) -> None:
        super().__init__(message)
        self.fields = tuple(fields)


class UnknownReport(InvalidRequest):
    code = "unknown_report"


class InvalidZone(InvalidRequest):
    code = "invalid_zone"


class ReversedTimespan(InvalidRequest):
    code = "reversed_timespan"


class TimespanTooLong(InvalidRequest):
    code = "timespan_too_long"


class InvalidScope(InvalidRequest):
    code = "invalid_scope"


class InvalidGrant(ExportError):
    code = "invalid_grant"


class NotAuthenticated(ExportError):
    code = "not_authenticated"


class AccountNotVerified(ExportError):
    code = "account_not_verified"


class NotPermitted(ExportError):
    code = "not_permitted"


class ImpersonationRefused(NotPermitted):
    """The caller may not act for others, or not for that one, or there is no such person: never told apart."""

    code = "impersonation_refused"


class JobNotFound(ExportError):
    code = "job_not_found"


class ArtifactNotFound(ExportError):
    code = "artifact_not_found"


class ArtifactGone(ExportError):
    code = "artifact_gone"


class JobStateConflict(ExportError):
    code = "job_state_conflict"


class JobOnHold(JobStateConflict):
    """The file must be kept, whoever wants it gone."""

    code = "job_on_hold"


class IdempotencyConflict(ExportError):
    """The key was used before, for another request."""

    code = "idempotency_conflict"


class LinkRefused(ExportError):
    code = "link_refused"


class LinkExpired(LinkRefused):
    code = "link_expired"


class Waitable(ExportError):
    """The same request may succeed after ``retry_after`` seconds."""

    code = "wait"
    retryable = True

    def __init__(self, message: str, *, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class QuotaExceeded(Waitable):
    code = "quota_exceeded"


class RateExceeded(Waitable):
    """More requests than the ``allowed`` ones; the next window begins after ``retry_after`` seconds."""

    code = "rate_exceeded"

    def __init__(self, message: str, *, retry_after: int, allowed: int) -> None:
        super().__init__(message, retry_after=retry_after)
        self.allowed = allowed


class AuditUnavailable(Waitable):
    code = "audit_unavailable"


class Unavailable(Waitable):
    code = "unavailable"


# --- ends one attempt of a job ---------------------------------------------------------------------------------------


class AttemptError(OfftakeError):
    """Ends one attempt; a retryable one goes back to the queue, the others fail the job."""

    code = "attempt_failed"


class AttemptInterrupted(AttemptError):
    code = "interrupted"
    retryable = True


class ResourceExhausted(AttemptError):
    code = "resource_exhausted"
    retryable = True


class StorageUnavailable(AttemptError):
    code = "storage_unavailable"
    retryable = True


class ArtifactMismatch(AttemptError):
    code = "artifact_mismatch"
    retryable = True


class NotUnderstood(AttemptError):
    code = "not_understood"
    retryable = True


class RowLimitExceeded(AttemptError):
    code = "row_limit_exceeded"


class QueryFailed(AttemptError):
    code = "query_failed"


# --- said to a person at the command line ----------------------------------------------------------------------------


class OperatorError(OfftakeError):
    """Something the operator can mend."""

    code = "operator"


class SettingsError(OperatorError):
    code = "settings"


class CatalogueError(OperatorError):
    code = "catalogue"


class LakeError(OperatorError):
    code = "lake"


class LoadRejected(LakeError):
    code = "load_rejected"


class InvalidExpression(OperatorError):
    code = "invalid_expression"


class HomeError(OperatorError):
    code = "home"


class HomeInUse(HomeError):
    code = "home_in_use"


class StateError(OperatorError):
    code = "state"


class UnknownName(OperatorError):
    code = "unknown_name"


class InvalidKey(OperatorError):
    code = "invalid_key"


class NameTaken(OperatorError):
    code = "name_taken"
