"""A session over a tenant's files for a command of the operator, in the command's own process."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from offtake.core.services import Services
from offtake.engine.duckdb import Session
from offtake.engine.locked_database import Limits
from offtake.lake.snapshot import Located, local_views

_SPILL = "command"


@contextmanager
def operator_session(located: Located, tenant: str, on: Services) -> Iterator[Session]:
    """Yield a session over the located files with the limits of an attempt; its temporary files are removed after it.

    Raises StorageUnavailable if a file cannot be fetched.
    """
    policy, process = on.attempt, os.getpid()
    limits = Limits(
        threads=policy.threads,
        memory_mb=policy.memory_mb,
        temp_folder=on.artifacts.spill(_SPILL, process),
        temp_mb=policy.temp_mb,
    )
    try:
        with local_views(on.lake, located) as views, Session(limits, views, tenant=tenant) as session:
            yield session
    finally:
        on.artifacts.discard(_SPILL, process)
