"""``offtake state``: where the state is, and moving it."""

from __future__ import annotations

from typing import Annotated

import typer

from offtake.cli.options import DEFAULT_HOME, HomeOption, JsonOption, bar, show
from offtake.errors import StateError
from offtake.home import Home
from offtake.logs import configure_logs
from offtake.settings import load_settings, masked
from offtake.store.database import Database, sqlite_url
from offtake.store.migrate import migrate
from offtake.store.transfer import copy_all

commands = typer.Typer(
    help="The database of jobs, identity and audit log.", no_args_is_help=True, rich_markup_mode=None
)


@commands.callback()
def group() -> None:
    """The database of jobs, identity and audit log."""


@commands.command("move")
def move(
    to: Annotated[
        str,
        typer.Option("--to", metavar="URL", help="postgresql://user:password@host/database, empty; or sqlite:///file."),
    ],
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Copy the state into another, empty database, and compare row by row. The old one is left as it is.

    Refused while a server or worker runs on this home (they hold a lock on it), while other connections of ours are
    open in a PostgreSQL source, and while an export is unfinished in the hands of a worker.
    """
    folder = Home(home)
    folder.require()
    configure_logs("warning")
    url = load_settings(folder.settings).state_url or sqlite_url(folder.state)
    with folder.alone():
        source, target = Database(url), Database(to)
        if source.url == target.url:
            raise StateError("The state is there already.")
        try:
            for database in (source, target):
                database.check_connection()
                migrate(database)
            with bar("Moving the state", "{task.description}") as progress:
                task = progress.add_task("", total=None)
                counts = copy_all(
                    source,
                    target,
                    lambda what, done, total: progress.update(task, description=what, completed=done, total=total),
                )
        finally:
            source.close()
            target.close()
    line = f'state_url = "{masked(to)}"'
    lines = [f"{rows:>10,} {table}" for table, rows in counts.items()]
    lines += [
        "",
        "Every row is there and was compared. Put this above the first section of offtake.toml, with the password",
        "(or into the environment as OFFTAKE_STATE_URL), then start the server:",
        "",
        f"    {line}",
        "",
        "The old database was not touched; it is of no more use once the server has run on the new one.",
    ]
    show({"rows": counts, "setting": line}, as_json, "\n".join(lines))
