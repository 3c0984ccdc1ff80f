"""Exit codes: what a script can tell apart. Stable; ``docs/reference/cli.md`` repeats them and a test compares."""

from __future__ import annotations

from offtake.errors import (
    CatalogueError,
    HomeError,
    HomeInUse,
    InvalidKey,
    JobStateConflict,
    LakeError,
    LoadRejected,
    NameTaken,
    OfftakeError,
    QuotaExceeded,
    SettingsError,
    StateError,
    UnknownName,
    Waitable,
)

EXITS: dict[int, str] = {
    0: "done",
    1: "a defect of the program",
    2: "the command line is wrong",
    3: "the settings are wrong",
    4: "the home folder is missing or unusable",
    5: "a report folder is wrong",
    6: "no such tenant, table, credential or job",
    7: "the name is taken",
    8: "rows were refused and nothing was loaded",
    9: "the lake or a file cannot be read or written",
    10: "the job store cannot be reached; try again",
    11: "the state of things does not allow it: a job's, a quota, a server that runs, a database that is not empty",
}

_CODES: dict[type[OfftakeError], int] = {
    SettingsError: 3,
    InvalidKey: 2,
    HomeError: 4,
    CatalogueError: 5,
    UnknownName: 6,
    NameTaken: 7,
    LoadRejected: 8,
    LakeError: 9,
    JobStateConflict: 11,
    QuotaExceeded: 11,
    HomeInUse: 11,
    StateError: 11,
    Waitable: 10,
    OfftakeError: 9,  # storage of the lake, in words of the engine
}


def exit_code(error: OfftakeError) -> int:
    """The code of the error's nearest ancestor."""
    return next(_CODES[kind] for kind in type(error).__mro__ if kind in _CODES)
