"""``offtake state``: move the state database."""

from __future__ import annotations

from typing import Annotated

import typer

from offtake.cli.options import DEFAULT_HOME, HomeOption, JsonOption, progress_bar, show
from offtake.errors import StateError
from offtake.home import Home
from offtake.logs import configure_logs
from offtake.settings import load_settings, masked
from offtake.store.database import Database, sqlite_url
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
        typer.Option("--to", metavar="URL", help="postgresql://user:password@host/database, empty; or sqlite:///file."),
    ],
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Copy the state into another, empty database and compare every row. The source is not changed.

    Refused while a server or worker runs on this home (it holds a lock), while other Offtake connections to a
    PostgreSQL source are open, and while a worker holds the lease of an export.
    """
    folder = Home(home)
    folder.require()
    configure_logs("warning")
    url = load_settings(folder.settings).state_url or sqlite_url(folder.state)
    with folder.alone():
        source, target = Database(url), Database(to)
        if source.url == target.url:
            raise StateError("--to names the database that this home uses already; name another one.")
        try:
            for database in (source, target):
                database.check_connection()
                migrate(database)
            with progress_bar("Moving the state", "{task.description}") as progress:
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
        "All rows were copied and compared. Put this line above the first table of offtake.toml, with the password",
        "(or set OFFTAKE_STATE_URL in the environment), then start the server:",
        "",
        f"    {line}",
        "",
        "The old database is unchanged. It becomes outdated as soon as the server runs on the new one.",
    ]
    show({"rows": counts, "setting": line}, as_json, "\n".join(lines))
