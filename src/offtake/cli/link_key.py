"""``offtake link-key``: the keys that sign download links."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from offtake.cli.options import DEFAULT_HOME, HomeOption, JsonOption, show
from offtake.home import Home
from offtake.model.signing_key import SigningKeys
from offtake.signing_key_files import SigningKeyFiles

commands = typer.Typer(help="Manage the keys that sign download links.", no_args_is_help=True, rich_markup_mode=None)


@commands.callback()
def group() -> None:
    """Manage the keys that sign download links."""


@commands.command("list")
def list_keys(home: HomeOption = DEFAULT_HOME, as_json: JsonOption = False) -> None:
    """Show the ids of the keys: the one that signs, and the other one that is accepted, if any."""
    _show(_files(home).read(), as_json)


@commands.command("prepare")
def prepare(home: HomeOption = DEFAULT_HOME, as_json: JsonOption = False) -> None:
    """Create a key that is accepted but does not sign yet, replacing the other key.

    For machines with separate home folders: copy secrets/link.other.key to all of them before `rotate --prepared`.
    """
    _show(_files(home).prepare(), as_json)


@commands.command("rotate")
def rotate(
    home: HomeOption = DEFAULT_HOME,
    prepared: Annotated[bool, typer.Option("--prepared", help="Sign with the prepared key.")] = False,
    drop_old: Annotated[
        bool, typer.Option("--drop-old", help="End all existing links at once, as after a leak of the key.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Sign new links with a new key. Existing links stay valid until they expire or the next rotation.

    Running servers of this home use the new key at once.
    """
    _show(_files(home).rotate(use_prepared=prepared, keep_old=not drop_old), as_json)


def _files(path: Path) -> SigningKeyFiles:
    home = Home(path)
    home.require()
    return home.signing_keys()


def _show(keys: SigningKeys, as_json: bool) -> None:
    result = {"signs": keys.current.id, "accepted": [key.id for key in keys.accepted]}
    lines = [f"{keys.current.id}  signs", *(f"{key.id}  accepted" for key in keys.accepted[1:])]
    show(result, as_json, "\n".join(lines))
