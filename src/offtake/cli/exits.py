"""Exit codes of the command line. They are stable; ``docs/reference/cli.md`` lists them and a test compares both."""

from __future__ import annotations

from offtake.errors import (
    CatalogueError,
    HomeError,
    HomeInUse,
    InvalidExpression,
    InvalidKey,
    JobStateConflict,
    LakeError,
    LoadRejected,
    NameTaken,
    OfftakeError,
    OutputError,
    QuotaExceeded,
    SettingsError,
    StateError,
    UnknownName,
    Waitable,
)

ROWS_REFUSED = 8
FILE_REFUSED = 9
INTERRUPTED = 130  # 128 + SIGINT, as shells have it
EXITS: dict[int, str] = {
    0: "done",
    1: "internal error",
    2: "invalid command line",
    3: "invalid settings",
    4: "the home folder is missing or unusable",
    5: "invalid report folder",
    6: "unknown tenant, table, credential, job or load",
    7: "the name is taken",
    8: "rows were rejected and nothing was loaded",
    9: "the lake or a file cannot be read or written",
    10: "the state database cannot be reached; retry later",
    11: "the current state does not allow it: of a job, a load, the quota, a running server, or a database with rows",
    INTERRUPTED: "interrupted with Ctrl-C",
}

_CODES: dict[type[OfftakeError], int] = {
    SettingsError: 3,
    InvalidKey: 2,
    InvalidExpression: 2,
    HomeError: 4,
    CatalogueError: 5,
    UnknownName: 6,
    NameTaken: 7,
    LoadRejected: ROWS_REFUSED,
    LakeError: FILE_REFUSED,
    OutputError: 9,
    JobStateConflict: 11,
    QuotaExceeded: 11,
    HomeInUse: 11,
    StateError: 11,
    Waitable: 10,
    OfftakeError: 9,  # storage errors of the lake that the engine reports
}


def exit_code(error: OfftakeError) -> int:
    """Return the exit code of the error's nearest ancestor class in the table."""
    return next(_CODES[error_class] for error_class in type(error).__mro__ if error_class in _CODES)
