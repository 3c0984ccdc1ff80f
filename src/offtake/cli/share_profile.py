"""Profile files, with which clients of Delta Sharing connect (docs/reference/sharing.md)."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from offtake.cli.installation import check_output_option
from offtake.core.admin.identity import NewCredential
from offtake.home import Home
from offtake.output_file import output_file
from offtake.settings import load_settings
from offtake.wire.sharing.tables import API

DEFAULT_DAYS = 365  # until a credential of the kind share expires
_VERSION = 1  # of the file format
EndpointOption = Annotated[
    str | None,
    typer.Option(
        metavar="URL", help=f"With share: URL of {API} for clients. Default: {API} below the setting server.public_url."
    ),
]
ProfileOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="With share: write the profile to this file (mode 0600) instead of printing it."),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A credential of a recipient with a new secret, and its profile."""

    new: NewCredential
    profile: dict[str, Any]
    file: Path | None  # where the profile was written

    @property
    def expires_at(self) -> str | None:
        """When the credential expires."""
        expires_at: str | None = self.profile.get("expirationTime")
        return expires_at


def check_options(is_share: bool, **options: object) -> None:
    """Raise BadParameter for an option of the kind share that was given for another kind."""
    given = [name for name, value in options.items() if value and not is_share]
    if given:
        raise typer.BadParameter(
            "only credentials of the kind share have it", param_hint=f"--{given[0].replace('_', '-')}"
        )


def create(make: Callable[[], NewCredential], home: Path, endpoint: str | None, file: Path | None) -> Made:
    """Let ``make`` give a recipient a new secret, and write its profile to the file, if one is named.

    What the profile needs is checked before. Raises BadParameter, OutputError.
    """
    if endpoint is None:
        public_url = load_settings(Home(home).settings).server.public_url
        if public_url is None:
            raise typer.BadParameter(
                f"set server.public_url, or give the URL of {API}, such as https://exports.example.com{API}",
                param_hint="--endpoint",
            )
        endpoint = public_url + API
    if not endpoint.startswith(("https://", "http://")):
        raise typer.BadParameter(f"{endpoint!r} does not begin with https:// or http://", param_hint="--endpoint")
    with ExitStack() as stack:
        if file is not None:
            check_output_option("--profile", file, home)
        written = None if file is None else stack.enter_context(output_file(file))
        new = make()
        profile = _profile(new, endpoint)
        if written is not None:
            written.write([json.dumps(profile, indent=2), "\n"])
            written.publish()
    return Made(new=new, profile=profile, file=file)


def _profile(new: NewCredential, endpoint: str) -> dict[str, Any]:
    credential = new.credential
    profile: dict[str, Any] = {
        "shareCredentialsVersion": _VERSION,
        "endpoint": endpoint.rstrip("/") + "/",
        "bearerToken": f"{credential.id}.{new.secret}",
    }
    if credential.expires_at is not None:
        profile["expirationTime"] = (
            f"{credential.expires_at:%Y-%m-%dT%H:%M:%S}.{credential.expires_at.microsecond // 1000:03}Z"
        )
    return profile
