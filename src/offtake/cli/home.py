"""``offtake init``."""

from __future__ import annotations

from offtake.app import build_services
from offtake.cli.options import DEFAULT_HOME, HomeOption, JsonOption, next_command, show
from offtake.composition.storage import check_lake_folder
from offtake.home import Home
from offtake.settings import load_settings


def init(home: HomeOption = DEFAULT_HOME, as_json: JsonOption = False) -> None:
    """Create a home folder: settings, database, lake, artifacts, and a new key that signs download links.

    Existing files are kept, so the command can be repeated.
    """
    folder = Home(home)
    settings = load_settings(folder.settings)
    check_lake_folder(folder, settings)
    created = folder.create()
    build_services(folder, settings).database.close()
    path = str(home.absolute())
    text = f"{path} is ready. Next: {next_command('tenant add NAME', home)}" if created else f"{path} exists already."
    show({"home": path, "created": created}, as_json, text)
