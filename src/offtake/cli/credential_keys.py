"""``offtake credential key``: public keys of clients that sign assertions."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from offtake.cli.installation import open_home
from offtake.cli.options import DEFAULT_HOME, HomeOption, JsonOption, show
from offtake.core.admin import identity

commands = typer.Typer(
    help="Manage public keys of clients that sign assertions.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

_MAX_KID_LENGTH = 255
CredentialArgument = Annotated[str, typer.Argument(help="The client id, as `credential list` shows it.")]


@commands.command("add")
def add_key(
    credential: CredentialArgument,
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="PEM file with the public P-256 key.")],
    home: HomeOption = DEFAULT_HOME,
    kid: Annotated[
        str | None, typer.Option(help="Key id that the client's assertions carry. Default: the key's thumbprint.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Register a public key: the client may authenticate by assertions signed with its private key (ES256)."""
    if kid is not None and not 0 < len(kid) <= _MAX_KID_LENGTH:
        raise typer.BadParameter(f"{len(kid)} characters are not 1 to {_MAX_KID_LENGTH}", param_hint="--kid")
    key = identity.add_key(credential, file.read_bytes(), open_home(home), kid=kid)
    show({"client_id": key.credential, "kid": key.kid}, as_json, f"Key {key.kid} of {key.credential} is registered.")


@commands.command("remove")
def remove_key(
    credential: CredentialArgument,
    kid: Annotated[str, typer.Argument(help="Id of the key.")],
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Remove a key: assertions signed with it are refused. Tokens already issued stay valid until they expire."""
    identity.remove_key(credential, kid, open_home(home))
    show({"client_id": credential, "kid": kid, "removed": True}, as_json, f"Key {kid} is removed.")
