"""What commands do with an installation: open it, check its storage, and keep their output out of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from offtake.app import build_services
from offtake.composition.paths import installation_paths
from offtake.core.services import Services
from offtake.errors import OutputError, StorageUnavailable
from offtake.home import Home
from offtake.logs import configure_logs
from offtake.output_file import check_output
from offtake.settings import load_settings


def open_home(path: Path) -> Services:
    """Open the installation in a home folder for one command."""
    home = Home(path)
    home.require()
    settings = load_settings(home.settings)
    configure_logs("warning")
    return build_services(home, settings)


@contextmanager
def storage_checked(services: Services) -> Iterator[None]:
    """Check the lake's storage before the block. If the block cannot use the storage, raise an error that says why."""
    services.lake.storage.check()
    try:
        yield
    except StorageUnavailable:
        services.lake.storage.check(writing=True)
        raise


def check_output_option(option: str, path: Path, home: Path, *, inputs: Iterable[Path] = ()) -> None:
    """Check the file that an option names for output; neither ``inputs`` nor the installation are replaced."""
    folder = Home(home)
    try:
        check_output(path, inputs=[*inputs, *installation_paths(folder, load_settings(folder.settings))])
    except OutputError as error:
        raise OutputError(f"{option}: {error.message}") from error
