"""Removal of the files of a published export from the artifact store."""

from __future__ import annotations

from offtake.core.services import Services
from offtake.model.job import Job
from offtake.store import manifests


def remove_files(job: Job, on: Services) -> None:
    """Remove all files of the job's artifact; those that are gone already are no fault.

    Raises StorageUnavailable; then some files may be removed, and a repetition removes the others.
    """
    with on.database.read() as connection:
        files = manifests.files(connection, job)
    for file in files:
        on.artifacts.remove(file.key)
