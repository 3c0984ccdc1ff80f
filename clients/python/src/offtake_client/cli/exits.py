"""Exit codes of the command. They are stable; the page of the command lists them."""

from __future__ import annotations

from offtake_client import errors

INTERRUPTED = 130  # 128 + SIGINT, as shells have it
EXITS: dict[int, str] = {
    0: "done",
    1: "internal error, of the client or the server",
    2: "invalid command line, or the request has faults",
    3: "no server is named, or the profile cannot be read",
    4: "the credential is not accepted, or may not do this",
    5: "unknown report, export or file, or the files are gone",
    6: "the export ended without files",
    7: "a file cannot be downloaded",
    8: "files do not match their manifest",
    9: "a folder or the disk cannot be used; what was downloaded can be resumed",
    10: "the server cannot be reached or is busy; retry later",
    11: "the present state or the storage budget does not allow it",
    INTERRUPTED: "interrupted with Ctrl-C; the export goes on unless --cancel-on-exit was given",
}
_CODES: dict[type[errors.OfftakeError], int] = {
    errors.InvalidRequest: 2,
    errors.UnknownOption: 2,
    errors.ProfileError: 3,
    errors.NotAuthenticated: 4,
    errors.NotPermitted: 4,
    errors.NotFound: 5,
    errors.Gone: 5,
    errors.ExportFailed: 6,
    errors.DiskFull: 9,
    errors.TargetInUse: 9,
    errors.InvalidTarget: 9,
    errors.DownloadError: 7,
    errors.VerificationFailed: 8,
    errors.Unreachable: 10,
    errors.Busy: 10,
    errors.Conflict: 11,
    errors.BudgetExceeded: 11,
    errors.OfftakeError: 1,
}


def exit_code(error: errors.OfftakeError) -> int:
    """Return the exit code of the error's nearest ancestor class in the table."""
    return next(_CODES[kind] for kind in type(error).__mro__ if kind in _CODES)
