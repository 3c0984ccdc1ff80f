"""``offtake load --watch``: load the new files of a location until the command is stopped."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from threading import Event
from typing import Annotated

import typer

from offtake.core.loads.changes import Target
from offtake.core.services import Services
from offtake.core.sources.source import WatchedSource
from offtake.core.sources.watch import watch
from offtake.lake.ingest.options import LoadOptions
from offtake.lake.ingest.watched import watched_files
from offtake.logs import configure_logs
from offtake.model.load import Completeness
from offtake.model.source import WatchPolicy

WatchOption = Annotated[
    str | None,
    typer.Option(
        metavar="LOCATION",
        help="Load each new file of a folder or of s3://bucket/prefix once, in the order of their names, until the "
        "command is stopped. --glob chooses names. `offtake sources` shows the files.",
    ),
]
WatchEveryOption = Annotated[
    float, typer.Option("--watch-every", min=0.1, max=86_400, help="Seconds between two looks at the location.")
]
WatchUnchangedOption = Annotated[
    float,
    typer.Option(
        "--watch-unchanged",
        min=0,
        max=86_400,
        help="Seconds for which a file of a folder has to stay the same before it is loaded: it may be written still.",
    ),
]


def source(
    location: str,
    target: Target,
    options: LoadOptions,
    *,
    files: Sequence[str],
    patterns: Sequence[str],
    form: str | None,
    is_check: bool,
    policy: WatchPolicy,
) -> WatchedSource:
    """Return the source that the options of a command describe. Raises BadParameter for one that does not fit."""
    if files or is_check or options.reject_to is not None or len(patterns) > 1:
        message = "takes no files, no --check, no --reject-to and one --glob at most"
        raise typer.BadParameter(message, param_hint="--watch")
    found = ad_hoc_source(location, patterns[0] if patterns else "*", target)
    return replace(found, form=form, options=options, policy=policy)


def ad_hoc_source(location: str, pattern: str, target: Target) -> WatchedSource:
    """Return a source whose name comes from its table and its location, so that the next command continues it."""
    digest = sha256(f"{target.table.name}\n{location}\n{pattern}".encode()).hexdigest()
    name = f"watch-{digest[:8]}"
    return WatchedSource(name=name, target=replace(target, actor=name), location=location, pattern=pattern)


def run(source: WatchedSource, completeness: Completeness | None, on: Services) -> None:
    """Watch until SIGTERM or Ctrl-C; the file that is being loaded then is finished first. Raises LakeError."""
    next(watched_files(source.location, source.pattern, on.bucket), None)  # a wrong location stops the command at once
    configure_logs("info")
    stop = Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, lambda *ignored: stop.set())
    watch(replace(source, completeness=completeness), on, stop)
