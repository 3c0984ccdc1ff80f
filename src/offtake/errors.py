"""Error classes of the product, one per action that the recipient can take.

    OfftakeError
    ├── ExportError                 answered to the API client; each dialect renders it
    │   ├── InvalidRequest          correct the named fields
    │   │   ├── UnknownReport       choose a report that exists
    │   │   ├── InvalidZone         use an IANA time zone name
    │   │   ├── ReversedTimespan    end must be later than start
    │   │   ├── TimespanTooLong     ask for a shorter timespan
    │   │   ├── PreviewTooLarge     ask for a shorter timespan, or create the export
    │   │   ├── MalformedBody       send a JSON object, in UTF-8 and within the limits
    │   │   └── InvalidScope        ask for granted scopes only
    │   ├── NotAuthenticated        authenticate, or get a new token
    │   ├── InvalidGrant            authenticate the client again
    │   ├── AccountNotVerified      have the account verified
    │   ├── NotPermitted            ask for the missing scope
    │   │   └── ImpersonationRefused    do not impersonate, or only a permitted person
    │   ├── JobError                about one job, which a dialect may call by another name
    │   │   ├── JobNotFound         unknown or not visible: the answer does not say which
    │   │   └── JobStateConflict    not possible in the job's current state
    │   │       └── JobOnHold       ask the operator to release the hold
    │   ├── SharedTableNotFound     the same as JobNotFound, of a share, schema or table
    │   │   └── SharedVersionNotFound  read another version; the message has those that are available
    │   ├── ArtifactNotFound        not ready, expired, deleted or unknown
    │   ├── ArtifactGone            the file was deleted or has expired
    │   ├── IdempotencyConflict     repeat the first request, or use another key
    │   ├── LinkRefused             get a new download link
    │   │   └── LinkExpired         the same; the link was valid once
    │   ├── QuotaExceeded           wait until a job ends
    │   │   └── BudgetExceeded      delete files, or wait until files expire, records are removed or the day ends
    │   ├── RateExceeded            wait for the next window
    │   ├── Throttled               wait: the address, login name, tenant or link is at a limit of the server
    │   ├── AuditUnavailable        retry: the operation was not carried out
    │   └── Unavailable             retry: the store cannot be reached
    ├── AttemptError                ends one attempt of a job; ``retryable`` decides whether another follows
    │   ├── AttemptInterrupted      the lease was lost, the job was cancelled, or the worker shuts down
    │   ├── ResourceExhausted       out of disk space; it may be free later
    │   │   └── MemoryExhausted     raise the setting that the message names
    │   ├── StorageUnavailable      the lake or the artifact store cannot be read or written
    │   ├── ArtifactMismatch        the written file does not match the counts
    │   ├── RowsNotReconciled       the files have more or fewer rows than the lake
    │   ├── NotUnderstood           needs a worker with another release or catalogue
    │   ├── RowLimitExceeded        more rows than the request's limit
    │   ├── TenantBudgetExhausted   the file exceeds what is left of the tenant's budget
    │   └── QueryFailed             the data or the report's query is faulty
    └── OperatorError               printed by the command line
        ├── SettingsError           correct the setting; the message has file, line and similar names
        ├── CatalogueError          correct the report folder; the message has file and line
        ├── LakeError               the lake cannot be read or written
        │   └── LoadRejected        correct the row; the message has file, line, column and reason
        ├── InvalidExpression       correct the filter expression; the message has the position
        ├── OutputError             name another output file: this one is no regular file, an input, or not writable
        ├── HomeError               the home folder is missing or unusable
        │   └── HomeInUse           stop the servers and workers that use it
        ├── StateError              the state cannot be copied to the target, or not now
        ├── UnknownName             no such tenant, table, credential, job
        ├── InvalidKey              the key is not a P-256 public key
        └── NameTaken               choose another name

Errors have no HTTP status and no exit code: each dialect and the command line map them in one table.
Messages never contain secrets, filter values or rows. The exception is ``LoadRejected``, which quotes the faulty value
to the operator who loads the file.

All classes are in one module, so that a boundary finds every class that it has to answer in one place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar


class OfftakeError(Exception):
    """Root of all errors. ``code`` is stable; ``message`` is safe to show."""

    code: ClassVar[str] = "internal"
    retryable: ClassVar[bool] = False

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


def traceback_locations(error: BaseException) -> list[str]:
    """Return the last six locations of a traceback, innermost last.

    They are safe to log, unlike the text of the error, which may quote rows.
    """
    trace, locations = error.__traceback__, []
    while trace is not None:
        locations.append(f"{trace.tb_frame.f_code.co_qualname}:{trace.tb_lineno}")
        trace = trace.tb_next
    return locations[-6:]


# --- answered to the API client ---------------------------------------------------------------------------------------


class ExportError(OfftakeError):
    """An error that the API client can act on."""


@dataclass(frozen=True, slots=True)
class FieldFault:
    """One faulty field of a request: its name on the wire and what is wrong with it."""

    name: str
    description: str


class InvalidRequest(ExportError):
    """The request is invalid; ``fields`` lists the faulty fields."""

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


class PreviewTooLarge(InvalidRequest):
    """The preview needs more time or memory than previews may have; an export of the same request has more."""

    code = "preview_too_large"


class MalformedBody(InvalidRequest):
    """The body is not a JSON object, is nested too deeply, or has a text that cannot be stored."""

    code = "malformed_body"


class InvalidScope(InvalidRequest):
    code = "invalid_scope"


class InvalidGrant(ExportError):
    code = "invalid_grant"


class NotAuthenticated(ExportError):
    """The client did not authenticate. For the audit log, the error names the credential that the client tried to use,
    if there is one."""

    code = "not_authenticated"

    def __init__(self, message: str, *, tenant: str | None = None, credential: str | None = None) -> None:
        super().__init__(message)
        self.tenant = tenant
        self.credential = credential


class AccountNotVerified(ExportError):
    code = "account_not_verified"


class NotPermitted(ExportError):
    code = "not_permitted"


class ImpersonationRefused(NotPermitted):
    """The caller may not impersonate this person, or no such person exists; the answer does not say which."""

    code = "impersonation_refused"


class JobError(ExportError):
    """An error about one job. ``{noun}`` in the text stands for what a dialect calls it: "job", unless it says so."""

    def __init__(self, text: str) -> None:
        super().__init__(text.replace("{noun}", "job"))
        self._text = text

    def worded(self, noun: str) -> str:
        """Return the message with that noun for the job."""
        return self._text.replace("{noun}", noun)


class JobNotFound(JobError):
    code = "job_not_found"


class ArtifactNotFound(ExportError):
    code = "artifact_not_found"


class ArtifactGone(ExportError):
    code = "artifact_gone"


class SharedTableNotFound(ExportError):
    """No such share, schema or table, or none that the caller may see."""

    code = "shared_table_not_found"


class SharedVersionNotFound(SharedTableNotFound):
    """The table has no such version, or no longer."""

    code = "shared_version_not_found"


class JobStateConflict(JobError):
    code = "job_state_conflict"


class JobOnHold(JobStateConflict):
    """The operator or a client holds the job, so its file cannot be deleted."""

    code = "job_on_hold"


class IdempotencyConflict(ExportError):
    """The idempotency key was used for another request."""

    code = "idempotency_conflict"


class LinkRefused(ExportError):
    code = "link_refused"


class LinkExpired(LinkRefused):
    code = "link_expired"


class Waitable(ExportError):
    """The same request may succeed after ``retry_after`` seconds; None if that time is unknown.

    ``reason`` names the limit that protects the server, for log and metrics; None if it is no such limit.
    """

    code = "wait"
    retryable = True

    def __init__(self, message: str, *, retry_after: int | None, reason: str | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.reason = reason


class QuotaExceeded(Waitable):
    code = "quota_exceeded"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptExport:
    """An export whose files count against the budget."""

    job: str
    dialect: str
    report: str
    files: int
    bytes: int
    rows: int


class BudgetExceeded(QuotaExceeded):
    """The tenant uses all that it may keep, publish in a day or store; ``retry_after`` is when there is room again.

    ``largest`` are the exports whose deletion frees the most, among those that the caller may see.
    """

    code = "budget_exceeded"

    def __init__(self, message: str, *, retry_after: int | None, largest: Sequence[KeptExport] = ()) -> None:
        super().__init__(message, retry_after=retry_after)
        self.largest = tuple(largest)


class RateExceeded(Waitable):
    """More than ``allowed`` requests in the window; the next window begins after ``retry_after`` seconds."""

    code = "rate_exceeded"

    def __init__(self, message: str, *, retry_after: int, allowed: int, operation: str = "") -> None:
        super().__init__(message, retry_after=retry_after)
        self.allowed = allowed
        self.operation = operation  # whose requests are counted together; empty: all of the dialect
        self.resets_in = retry_after


class Throttled(Waitable):
    """The address, login name, tenant or link has reached a limit that protects other clients."""

    code = "throttled"


class AuditUnavailable(Waitable):
    code = "audit_unavailable"


class Unavailable(Waitable):
    code = "unavailable"


# --- ends one attempt of a job ---------------------------------------------------------------------------------------


class AttemptError(OfftakeError):
    """Ends one attempt. A retryable error returns the job to the queue; the others fail it."""

    code = "attempt_failed"


class AttemptInterrupted(AttemptError):
    code = "interrupted"
    retryable = True


class ResourceExhausted(AttemptError):
    code = "resource_exhausted"
    retryable = True


class MemoryExhausted(ResourceExhausted):
    """The query needs more memory, or more temporary space for spilled data, than its limits allow.

    An attempt with the same limits and the same plan would fail again, so the job is not retried.
    """

    code = "memory_exhausted"
    retryable = False

    def __init__(self, message: str, *, is_temporary_space: bool = False) -> None:
        super().__init__(message)
        self.is_temporary_space = is_temporary_space


class StorageUnavailable(AttemptError):
    code = "storage_unavailable"
    retryable = True


class LakeVersionGone(AttemptError):
    """The lake no longer has the versions that the job's first attempt read; a new export reads the newest ones."""

    code = "lake_version_gone"


class ArtifactMismatch(AttemptError):
    code = "artifact_mismatch"
    retryable = True


class RowsNotReconciled(AttemptError):
    """The files have another number of rows than the report's count.

    A fault of the engine depends on threads, spilled data and the machine, so another attempt may be right. An attempt
    reads the same versions of the lake, so a report whose count differs from its query fails at every attempt.
    """

    code = "rows_not_reconciled"
    retryable = True


class NotUnderstood(AttemptError):
    code = "not_understood"
    retryable = True


class RowLimitExceeded(AttemptError):
    code = "row_limit_exceeded"


class TooManyFiles(AttemptError):
    code = "too_many_files"


class TenantBudgetExhausted(AttemptError):
    code = "budget_exceeded"


class QueryFailed(AttemptError):
    code = "query_failed"


# --- printed by the command line --------------------------------------------------------------------------------------


class OperatorError(OfftakeError):
    """An error that the operator can correct."""

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


class OutputError(OperatorError):
    code = "output"


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
