"""What the commands about exports do with ``--dialect``."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from offtake_client import DialectClient, DialectJob, DownloadProgress
from offtake_client.cli.following import follow, left_running
from offtake_client.cli.options import resume_command
from offtake_client.cli.output import Output, size
from offtake_client.credentials import Credential
from offtake_client.dialect_client import DialectName
from offtake_client.download.download_record import Checked
from offtake_client.errors import UnknownOption

NOTHING = "Nothing is to be resumed in {}: every file is complete."
CHECKED: Mapping[Checked, str] = {
    "sha-256": "it matched the SHA-256 that the server stated",
    "md5": "its ETag was its MD5",
    "size": "it had the size that the server stated (the server stated no checksum)",
}


def connect(dialect: DialectName, profile: str | None, output: Output) -> DialectClient:
    """Connect to the server of the profile or the environment. Raises ProfileError."""
    return DialectClient(dialect, profile=profile, note=output.note)


def check(dialect: DialectName, url: str, credential: Credential, output: Output) -> None:
    """Check a credential at a server. Raises NotAuthenticated, ProfileError."""
    with DialectClient(dialect, url, credential=credential, note=output.note) as client:
        client.check()


def refuse(given: Mapping[str, object]) -> None:
    """Raise UnknownOption for options that are given and that no dialect has."""
    names = [name for name, value in given.items() if value]
    if names:
        raise UnknownOption(
            f"{', '.join(names)}: not with --dialect.", "Use --option name=value with the names of the dialect."
        )


def members(given: list[str]) -> dict[str, str | list[str]]:
    """Return the values of ``--option``; a name that is given several times has a list. Raises UnknownOption."""
    found: dict[str, str | list[str]] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise UnknownOption(f"--option {text} has no name.", "Write name=value.")
        known = found.get(name)
        found[name] = value if known is None else [*([known] if isinstance(known, str) else known), value]
    return found


def get(
    client: DialectClient,
    report: str,
    wanted: Mapping[str, Any],
    folder: Path,
    output: Output,
    connections: int,
    *,
    is_cancelled: bool,
) -> None:
    """Create a job, wait for it and download its file."""
    job = client.export(report, **wanted, target=folder)
    output.note(f"Job {job.id}")
    with left_running(job, resume_command(folder, client.operand.name), output, is_cancelled):
        _fetch(job, folder, output, connections)


def resume(client: DialectClient, job: str | None, folder: Path, output: Output, connections: int) -> None:
    """Download a job, or go on with the downloads of a folder."""
    found = list(client.unfinished(folder)) if job is None else [client.find_export(job)]
    if not found:
        output.result({"files": []}, NOTHING.format(folder))
    for each in found:
        with left_running(each, resume_command(folder, client.operand.name), output, False):
            _fetch(each, folder, output, connections)


def _fetch(job: DialectJob, folder: Path, output: Output, connections: int) -> None:
    """Wait for a job, download its file, and print its path and what it was compared with."""
    follow(job, output)
    with output.progress("downloading") as advance:

        def moved(state: DownloadProgress) -> None:
            advance(state.bytes, state.total, f"{size(state.bytes)} of {size(state.total)}")

        paths = job.download(folder, connections=connections, on_progress=moved)
    done = job.downloaded
    if done is None:  # download() sets it
        raise TypeError
    result = {"export": job.id, "bytes": done.file.bytes, "sha256": done.file.sha256, "checked": done.checked}
    output.result({**result, "files": paths}, *map(str, paths))
    output.note(f"{size(done.file.bytes)}; the file is complete, and {CHECKED[done.checked]}.")


def list_jobs(dialect: DialectName, report: str | None, number: int, profile: str | None, output: Output) -> None:
    """Print the jobs of a dialect, newest first."""
    with connect(dialect, profile, output) as client:
        found = [job.info for job in islice(client.exports(report=report), number)]
    rows = [(info.id, info.state, info.report, info.format, info.name) for info in found]
    output.table({"exports": found}, ("job", "state", "report", "format", "name"), rows)
