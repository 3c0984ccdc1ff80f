"""``offtake state``: move the state database."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from offtake.cli.installation import check_output_option
from offtake.cli.options import DEFAULT_HOME, HomeOption, JsonOption, progress_bar, show
from offtake.composition.paths import state_url
from offtake.errors import StateError
from offtake.home import Home, read_private_file
from offtake.logs import configure_logs
from offtake.settings import MASK, MOVE_PASSWORD, load_settings, masked
from offtake.store.database import Database
from offtake.store.migrate import migrate
from offtake.store.transfer import copy_all

commands = typer.Typer(
    help="Manage the database of jobs, identity and audit log.", no_args_is_help=True, rich_markup_mode=None
)


@commands.callback()
def group() -> None:
    """Manage the database of jobs, identity and audit log."""


@commands.command("move")
def move(
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="URL",
            help="postgresql://user@host/database without a password, empty; or sqlite:////folder/state.db.",
        ),
    ],
    home: HomeOption = DEFAULT_HOME,
    password_file: Annotated[
        Path | None,
        typer.Option(
            help="File with the password for --to, readable by its owner only. "
            "Default: the environment variable OFFTAKE_MOVE_PASSWORD."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Copy the state into another, empty database and compare every row. The source is not changed.

    Refused while a server or worker runs on this home (it holds a lock), while other Offtake connections to a
    PostgreSQL source are open, and while a worker holds the lease of an export.
    """
    folder = Home(home)
    folder.require()
    configure_logs("warning")
    if masked(to) != to:
        raise typer.BadParameter(
            "other users of this machine see a password on the command line; leave it out of the URL, and pass it "
            f"with --password-file or in the environment variable {MOVE_PASSWORD}",
            param_hint="--to",
        )
    password = _password(password_file)
    with folder.alone():
        source = Database(state_url(folder, load_settings(folder.settings)))
        target = Database(to, password=password)
        if source.is_same(target):
            raise StateError("--to names the database that this home uses already; name another one.")
        if target.file is not None:
            check_output_option("--to", target.file, home)
        counts = _copy(source, target)
    setting = f"state_url = {json.dumps(str(masked(target.plain_url)))}"
    show({"rows": counts, "setting": setting}, as_json, _text(counts, setting))


def _copy(source: Database, target: Database) -> Mapping[str, int]:
    """Copy all rows and return their numbers by table. Both databases are closed."""
    try:
        for database in (source, target):
            database.check_connection()
            migrate(database)
        with progress_bar("Moving the state", "{task.description}") as progress:
            task = progress.add_task("", total=None)
            return copy_all(
                source,
                target,
                lambda what, done, total: progress.update(task, description=what, completed=done, total=total),
            )
    finally:
        source.close()
        target.close()


def _text(counts: Mapping[str, int], setting: str) -> str:
    """Return the numbers of rows and what to do next; ``setting`` has *** in place of a password."""
    password = ", with the password in place of ***" if MASK in setting else ""
    return "\n".join(
        [
            *(f"{rows:>10,} {table}" for table, rows in counts.items()),
            "",
            f"All rows were copied and compared. Put this line above the first table of offtake.toml{password}",
            "(or set OFFTAKE_STATE_URL in the environment), then start the server:",
            "",
            f"    {setting}",
            "",
            "The old database is unchanged. It becomes outdated as soon as the server runs on the new one.",
        ]
    )


def _password(file: Path | None) -> str | None:
    """Return the password from the file, else from the environment."""
    if file is None:
        return os.environ.get(MOVE_PASSWORD) or None
    return read_private_file(file).removesuffix("\n").removesuffix("\r")
