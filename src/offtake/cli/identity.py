"""``offtake credential`` and ``offtake credential key``."""

from __future__ import annotations

import fnmatch
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from rich import box
from rich.table import Table

from offtake.cli.options import DEFAULT_HOME, HomeOption, JsonOption, open_home, show, show_table
from offtake.core.admin import identity
from offtake.core.admin.identity import NewCredential
from offtake.model.tenant import (
    DEFAULT_SCOPES,
    Credential,
    CredentialKind,
    DataAccess,
    Scope,
    user_name_fault,
)

credentials = typer.Typer(
    help="Manage credentials, with which clients authenticate.", no_args_is_help=True, rich_markup_mode=None
)

keys = typer.Typer(
    help="Manage public keys of clients that sign assertions.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
credentials.add_typer(keys, name="key")

_MAX_KID_LENGTH = 255
_SECRET_NAMES = {CredentialKind.OAUTH: "client secret", CredentialKind.BASIC: "password", CredentialKind.TOKEN: "token"}
CredentialArgument = Annotated[str, typer.Argument(help="The client id, as `credential list` shows it.")]
_KIND = typer.Option(
    help="oauth: client id and secret (native API, Talkdesk); basic: user and password (Khoros); "
    "token: one token of a person, or of the whole tenant (native API, Loop)."
)
UserOption = Annotated[
    str | None, typer.Option(help="User name, which basic needs; e-mail address of a token's owner.")
]
NameOption = Annotated[
    str | None,
    typer.Option(help="Name for people, in lists, the log and the audit log. Default: the user, or part of the id."),
]
ScopeOption = Annotated[
    list[Scope] | None,
    typer.Option(
        metavar="WORD",
        help="Permission: read, write, impersonate or admin; repeat for more. Default: read, write.",
    ),
]
ReportOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME",
        help="Report that the credential may export, or a pattern such as 'conv*'; repeat for more. Default: all.",
    ),
]
PersonalOption = Annotated[
    bool,
    typer.Option(
        "--personal/--no-personal",
        help="Whether the credential may receive columns with personal data. Without them it can use the native "
        "API, and other dialects for reports without such columns.",
    ),
]


@credentials.callback()
def credential_group() -> None:
    """Manage credentials, with which clients authenticate."""


@credentials.command("add")
def add_credential(
    tenant: Annotated[str, typer.Argument(help="Tenant that owns the credential.")],
    kind: Annotated[CredentialKind, _KIND],
    home: HomeOption = DEFAULT_HOME,
    user: UserOption = None,
    name: NameOption = None,
    scope: ScopeOption = None,
    report: ReportOption = None,
    personal: PersonalOption = True,
    as_json: JsonOption = False,
) -> None:
    """Create a credential and print its secret, which cannot be shown again."""
    _check_user(user, kind)
    if name is not None and not (0 < len(name) <= identity.MAX_NAME_LENGTH and name.isprintable()):
        raise typer.BadParameter(f"use 1 to {identity.MAX_NAME_LENGTH} printable characters", param_hint="--name")
    try:
        access = DataAccess(reports=tuple(report) if report else None, personal=personal)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--report") from error
    permissions = identity.Permissions(scopes=frozenset(scope) if scope else DEFAULT_SCOPES, access=access)
    services = open_home(home)
    unmatched = [each for each in report or () if not fnmatch.filter(services.catalogue.reports, each)]
    if unmatched:
        raise typer.BadParameter(f"no report has the name {unmatched[0]!r}", param_hint="--report")
    new = identity.add_credential(tenant, kind, services, user=user, permissions=permissions, name=name)
    show(_result(new), as_json, _text(new))


def _check_user(user: str | None, kind: CredentialKind) -> None:
    """Check the user name of a new credential. Raises BadParameter."""
    if kind is CredentialKind.BASIC and user is None:
        raise typer.BadParameter("basic needs a user name", param_hint="--user")
    if kind is CredentialKind.OAUTH and user is not None:
        raise typer.BadParameter("an oauth client belongs to no user", param_hint="--user")
    if user is not None and (fault := user_name_fault(user, kind)):
        raise typer.BadParameter(f"the name {fault}", param_hint="--user")


@credentials.command("list")
def list_credentials(
    tenant: Annotated[str, typer.Argument(help="Tenant whose credentials to list.")],
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """List a tenant's credentials without secrets. Revoked credentials are left out."""
    listed = identity.list_credentials(tenant, open_home(home))
    records = [
        {
            "id": credential.id,
            "name": credential.name,
            "kind": credential.kind.value,
            "user": credential.user,
            "scopes": sorted(credential.scopes),
            **_access(credential.access),
            "keys": names,
            "created_at": credential.created_at.isoformat(),
            "previous_secret_until": credential.previous_until.isoformat() if credential.previous_until else None,
        }
        for credential, names in listed
    ]
    if as_json:
        show({"tenant": tenant, "credentials": records}, as_json, "")
        return
    table = Table(box=box.SIMPLE)
    for heading in ("id", "kind", "name", "scopes", "keys", "created"):
        table.add_column(heading, no_wrap=True)
    for credential, names in listed:
        words = (credential.id, credential.kind.value, credential.name, _may(credential))
        table.add_row(*words, str(len(names)), f"{credential.created_at:%Y-%m-%d %H:%M:%S}")
    show_table(table)


@credentials.command("rotate")
def rotate_credential(
    credential: CredentialArgument,
    home: HomeOption = DEFAULT_HOME,
    overlap_hours: Annotated[
        int,
        typer.Option(
            min=0,
            max=8_760,
            help="How long the old secret and its download links stay valid. 0: they end at once with all tokens, as "
            "after a leak.",
        ),
    ] = 24,
    as_json: JsonOption = False,
) -> None:
    """Give a credential a new secret and print it. Id, user, scopes, jobs and keys stay.

    The old secret stays valid meanwhile, so that clients can change to the new one without a gap. A credential has at
    most two secrets: a second rotation within the overlap ends the oldest at once.
    """
    new = identity.rotate_secret(credential, open_home(home), overlap=timedelta(hours=overlap_hours))
    until = new.credential.previous_until
    result = _result(new) | {"previous_secret_until": until.isoformat() if until else None}
    lasts = f"The old secret is valid until {until:%Y-%m-%d %H:%M:%S} UTC." if until else "The old secret is not valid."
    show(result, as_json, f"{_text(new)}\n{lasts}")


@credentials.command("revoke")
def revoke_credential(
    credential: CredentialArgument, home: HomeOption = DEFAULT_HOME, as_json: JsonOption = False
) -> None:
    """Revoke a credential and all its tokens at once and permanently. Its jobs and files stay."""
    revoked = identity.revoke_credential(credential, open_home(home))
    result = {"tenant": revoked.tenant, "id": revoked.id, "revoked": True}
    show(result, as_json, f"Credential {revoked.id} of {revoked.tenant} is revoked.")


@keys.command("add")
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


@keys.command("remove")
def remove_key(
    credential: CredentialArgument,
    kid: Annotated[str, typer.Argument(help="Id of the key.")],
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """Remove a key: assertions signed with it are refused. Tokens already issued stay valid until they expire."""
    identity.remove_key(credential, kid, open_home(home))
    show({"client_id": credential, "kid": kid, "removed": True}, as_json, f"Key {kid} is removed.")


def _access(access: DataAccess) -> dict[str, Any]:
    return {"reports": None if access.reports is None else list(access.reports), "personal": access.personal}


def _may(credential: Credential) -> str:
    """Return the scopes and the limits of the data, for people."""
    access = credential.access
    limits = [] if access.reports is None else [f"only reports {' '.join(access.reports)}"]
    limits += [] if access.personal else ["no personal columns"]
    return ", ".join([*sorted(credential.scopes), *limits])


def _result(new: NewCredential) -> dict[str, Any]:
    credential = new.credential
    shared: dict[str, Any] = {"id": credential.id, "tenant": credential.tenant, "kind": credential.kind.value}
    shared["scopes"] = sorted(credential.scopes)
    shared |= _access(credential.access)
    if credential.kind is CredentialKind.OAUTH:
        return shared | {"client_id": credential.id, "client_secret": new.secret}
    if credential.kind is CredentialKind.BASIC:
        return shared | {"user": credential.user, "password": new.secret}
    owner = {"user": credential.user} if credential.user else {}
    return shared | owner | {"token": f"{credential.id}.{new.secret}"}


def _text(new: NewCredential) -> str:
    """Return the credential as text; the secret is on the last line but one."""
    credential, result = new.credential, _result(new)
    secrets = [
        (name, result[name]) for name in ("client_id", "client_secret", "user", "password", "token") if name in result
    ]
    whose = f" of {credential.user}" if credential.user else ""
    return "\n".join(
        [
            f"Credential {credential.id} ({credential.kind.value}) of tenant {credential.tenant} is ready.",
            f"It may: {_may(credential)}.",
            "",
            *(f"    {name.replace('_', ' '):<14} {value}" for name, value in secrets),
            "",
            f"Store it now: the {_SECRET_NAMES[credential.kind]}{whose} cannot be shown again.",
        ]
    )
