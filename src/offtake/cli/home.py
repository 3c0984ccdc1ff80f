"""``offtake init``."""

from __future__ import annotations

import typer

from offtake.app import build_services
from offtake.cli.options import DEFAULT_HOME, HomeOption, JsonOption, show
from offtake.home import Home
from offtake.settings import load_settings


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(init)


def init(home: HomeOption = DEFAULT_HOME, as_json: JsonOption = False) -> None:
    """Make a home folder: settings, database, lake, artifacts, and a fresh key that signs download links.

    What exists is kept; running it again does no harm.
    """
    folder = Home(home)
    made = folder.create()
    build_services(folder, load_settings(folder.settings)).database.close()
    path = str(home.absolute())
    text = f"{path} is ready. Next: offtake tenant add NAME --home {home}" if made else f"{path} was ready already."
    show({"home": path, "created": made}, as_json, text)
