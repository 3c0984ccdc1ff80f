"""Errors of the client. Each names what happened and what to do next.

OfftakeError
    ServerProblem           the server refused a request (RFC 9457)
        InvalidRequest          the request has faults; ``faults`` lists them
        NotAuthenticated        the token is missing, unknown, expired or revoked
        NotPermitted            the credential may not do this
        NotFound                no such report, export or file
        Gone                    the files were deleted or have expired
        Conflict                not possible in the present state, or the key was used for another request
        Busy                    a limit is reached or the server is not available; ``retry_after`` in seconds
        BudgetExceeded          the storage budget of the account is exhausted
        InternalError           the server failed
    Unreachable             no response, after repeated attempts
    ExportFailed            the export ended without files
    DownloadError           a file cannot be downloaded
        FileChanged             the server sends another file than the one of the manifest
        DamagedFile             a block does not match its checksum, after repeated attempts
        DiskFull                there is no space for the file; what was written can be resumed
        TargetInUse             another process downloads to the same folder
    VerificationFailed      files do not match their manifest
    InvalidTarget           a folder or file cannot be used
    ProfileError            no server is named, or the profile cannot be read
    UnknownOption           an argument of the caller is not valid
    MissingLibrary          an optional library is not installed
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class OfftakeError(Exception):
    """The client could not do what was asked. ``message`` says what happened, ``remedy`` what to do ("" if unknown)."""

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(f"{message} {remedy}".strip())
        self.message = message
        self.remedy = remedy


@dataclass(frozen=True)
class Fault:
    """One fault of a request: a JSON pointer into the body or the name of a parameter, and what is accepted."""

    where: str
    message: str
    accepted: tuple[str, ...] = ()
    nearest: str | None = None


@dataclass(frozen=True)
class Refusal:
    """What the server said: ``code`` never changes, ``request`` is the id in the server's log."""

    status: int
    code: str
    detail: str
    request: str = ""
    faults: Sequence[Fault] = ()
    retry_after: float | None = None  # seconds


class ServerProblem(OfftakeError):
    """The server refused a request."""

    remedy_text = ""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.detail, self.remedy_text)
        self.refusal = refusal

    @property
    def code(self) -> str:
        """The kind of problem, for programs."""
        return self.refusal.code

    @property
    def faults(self) -> Sequence[Fault]:
        """The single faults of the request."""
        return self.refusal.faults

    @property
    def retry_after(self) -> float | None:
        """Seconds after which the request may succeed; None if the server does not say."""
        return self.refusal.retry_after


class InvalidRequest(ServerProblem):
    """The request has faults."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal)
        if refusal.faults:
            lines = [f"{fault.where or 'request'}: {fault.message}" for fault in refusal.faults]
            accepted = [
                f"{fault.where}: accepted are {', '.join(fault.accepted)}."
                for fault in refusal.faults
                if fault.accepted
            ]
            self.message, self.remedy = " ".join(lines), " ".join(accepted)
            self.args = (f"{self.message} {self.remedy}".strip(),)


class NotAuthenticated(ServerProblem):
    """The token is missing, unknown, expired or revoked."""

    remedy_text = "Log in again: offtake-client login, or check the OFFTAKE_CLIENT_ variables of the credential."


class NotPermitted(ServerProblem):
    """The credential may not do this."""

    remedy_text = "Ask the operator for a credential with the scope or the columns."


class NotFound(ServerProblem):
    """There is no such report, export or file."""


class Gone(ServerProblem):
    """The files were deleted or have expired."""

    remedy_text = "Create the export again."


class Conflict(ServerProblem):
    """Not possible in the present state of the export, or the idempotency key was used for another request."""


class Busy(ServerProblem):
    """A limit is reached, or the server is not available at present."""


class BudgetExceeded(ServerProblem):
    """The storage budget of the account is exhausted."""

    remedy_text = "Delete exports that are no longer needed: offtake-client jobs lists them."


class InternalError(ServerProblem):
    """The server failed, or its response is not one of the API."""


class Unreachable(OfftakeError):
    """The server did not respond, after repeated attempts."""


class ExportFailed(OfftakeError):
    """The export ended without files: ``state`` is failed, cancelled, expired or deleted."""

    def __init__(self, export: str, state: str, detail: str) -> None:
        super().__init__(f"The export {export} is {state}. {detail}".strip(), "Create the export again.")
        self.export = export
        self.state = state


class DownloadError(OfftakeError):
    """A file cannot be downloaded."""


class FileChanged(DownloadError):
    """The server sends another file than the one of the manifest."""


class DamagedFile(DownloadError):
    """A block of a file does not match its checksum, after repeated attempts."""


class DiskFull(DownloadError):
    """There is no space for the file. What was written can be resumed."""


class TargetInUse(DownloadError):
    """Another process downloads to the same folder."""


class VerificationFailed(OfftakeError):
    """Files do not match their manifest."""


class InvalidTarget(OfftakeError):
    """A folder or a file cannot be used."""


class ProfileError(OfftakeError):
    """No server is named, or the file of the profiles cannot be read."""


class UnknownOption(OfftakeError, ValueError):
    """An argument of the caller is not valid."""


class MissingLibrary(OfftakeError, ImportError):
    """An optional library is not installed."""
