"""``offtake credential``; ``credential_keys`` has ``offtake credential key``."""

from __future__ import annotations

import fnmatch
import json
from datetime import timedelta
from typing import Annotated, Any

import typer
from rich import box
from rich.table import Table

from offtake.cli import credential_keys, share_profile
from offtake.cli.credential_keys import CredentialArgument
from offtake.cli.installation import open_home
from offtake.cli.options import DEFAULT_HOME, HomeOption, JsonOption, show, show_table
from offtake.core.admin import identity
from offtake.core.admin.identity import NewCredential
from offtake.core.services import Services
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
credentials.add_typer(credential_keys.commands, name="key")

_SECRET_NAMES = {CredentialKind.OAUTH: "client secret", CredentialKind.BASIC: "password", CredentialKind.TOKEN: "token"}
_KIND = typer.Option(
    metavar="KIND",
    help="oauth: client id and secret (native API, Talkdesk); basic: user and password (Khoros); "
    "token: one token of a person, or of the whole tenant (native API, Loop); share: a recipient of Delta Sharing.",
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
    share: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="With share: share that it may read; repeat for more. Default: all."),
    ] = None,
    expires_days: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=3_650,
            help=f"With share: days until it expires. Default: {share_profile.DEFAULT_DAYS}.",
        ),
    ] = None,
    endpoint: share_profile.EndpointOption = None,
    profile: share_profile.ProfileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Create a credential and print its secret, which cannot be shown again.

    For the kind share it is printed, or written to a file, as the profile that clients of Delta Sharing read.
    """
    _check_user(user, kind)
    is_share = kind is CredentialKind.SHARE
    share_profile.check_options(is_share, share=share, expires_days=expires_days, endpoint=endpoint, profile=profile)
    if is_share and scope not in (None, [], [Scope.READ]):
        raise typer.BadParameter("a recipient may only read", param_hint="--scope")
    _check_name(name)
    permissions = identity.Permissions(
        scopes=frozenset(scope) if scope else frozenset({Scope.READ}) if is_share else DEFAULT_SCOPES,
        access=_data_access(report, share, personal=personal),
        life=timedelta(days=expires_days or share_profile.DEFAULT_DAYS) if is_share else None,
    )
    services = open_home(home)
    _check_reports(report, services)

    def add() -> NewCredential:
        return identity.add_credential(tenant, kind, services, user=user, permissions=permissions, name=name)

    if is_share:
        _show_share(share_profile.create(add, home, endpoint, profile), as_json)
        return
    new = add()
    show(_result(new), as_json, _text(new))


def _show_share(made: share_profile.Made, as_json: bool) -> None:
    """Print the profile on standard output, so that it can be redirected, and what it may on standard error."""
    result = _result(made.new) | {"expires_at": made.expires_at}
    if made.file is None:
        result |= {"profile": made.profile}
    if as_json:
        show(result, as_json, "")
        return
    credential = made.new.credential
    typer.echo(f"Credential {credential.id} of tenant {credential.tenant} may: {_may(credential)}.", err=True)
    if made.file is None:
        typer.echo("Store the profile now: its token cannot be shown again.", err=True)
        typer.echo(json.dumps(made.profile, indent=2))
    else:
        typer.echo(f"The profile is in {made.file}; only you can read the file.")


def _check_name(name: str | None) -> None:
    """Check the name of a new credential for people. Raises BadParameter."""
    if name is not None and not (0 < len(name) <= identity.MAX_NAME_LENGTH and name.isprintable()):
        raise typer.BadParameter(f"use 1 to {identity.MAX_NAME_LENGTH} printable characters", param_hint="--name")


def _data_access(report: list[str] | None, share: list[str] | None, *, personal: bool) -> DataAccess:
    """Return what a new credential may read. Raises BadParameter."""
    try:
        return DataAccess(
            reports=tuple(report) if report else None,
            personal=personal,
            shares=tuple(each.lower() for each in share) if share else None,
        )
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--report") from error


def _check_reports(patterns: list[str] | None, services: Services) -> None:
    """Raise BadParameter for a pattern that no report matches."""
    for pattern in patterns or ():
        if not fnmatch.filter(services.catalogue.reports, pattern):
            raise typer.BadParameter(f"no report has the name {pattern!r}", param_hint="--report")


def _check_user(user: str | None, kind: CredentialKind) -> None:
    """Check the user name of a new credential. Raises BadParameter."""
    if kind is CredentialKind.BASIC and user is None:
        raise typer.BadParameter("basic needs a user name", param_hint="--user")
    if kind is CredentialKind.OAUTH and user is not None:
        raise typer.BadParameter("an oauth client belongs to no user", param_hint="--user")
    if kind is CredentialKind.SHARE and user is not None:
        raise typer.BadParameter("a recipient is no user; name it with --name", param_hint="--user")
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
            "expires_at": credential.expires_at.isoformat() if credential.expires_at else None,
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
    endpoint: share_profile.EndpointOption = None,
    profile: share_profile.ProfileOption = None,
    as_json: JsonOption = False,
) -> None:
    """Give a credential a new secret and print it. Id, user, scopes, jobs and keys stay.

    The old secret stays valid meanwhile, so that clients can change to the new one without a gap. A credential has at
    most two secrets: a second rotation within the overlap ends the oldest at once.
    """
    services = open_home(home)
    is_share = identity.get_credential(credential, services).kind is CredentialKind.SHARE
    share_profile.check_options(is_share, endpoint=endpoint, profile=profile)

    def rotate() -> NewCredential:
        return identity.rotate_secret(credential, services, overlap=timedelta(hours=overlap_hours))

    if is_share:
        _show_share(share_profile.create(rotate, home, endpoint, profile), as_json)
        return
    new = rotate()
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


def _access(access: DataAccess) -> dict[str, Any]:
    return {
        "reports": None if access.reports is None else list(access.reports),
        "personal": access.personal,
        **({} if access.shares is None else {"shares": list(access.shares)}),
    }


def _may(credential: Credential) -> str:
    """Return the scopes and the limits of the data, for people."""
    access = credential.access
    limits = [] if access.reports is None else [f"only reports {' '.join(access.reports)}"]
    limits += [] if access.shares is None else [f"only shares {' '.join(access.shares)}"]
    limits += [] if access.personal else ["no personal columns"]
    limits += [] if credential.expires_at is None else [f"until {credential.expires_at:%Y-%m-%d}"]
    return ", ".join([*sorted(credential.scopes), *limits])


def _result(new: NewCredential) -> dict[str, Any]:
    credential = new.credential
    shared: dict[str, Any] = {"id": credential.id, "tenant": credential.tenant, "kind": credential.kind.value}
    shared["scopes"] = sorted(credential.scopes)
    shared |= _access(credential.access)
    if credential.kind is CredentialKind.OAUTH:
        return shared | {"client_id": credential.id, "client_secret": new.secret}
    if credential.kind is CredentialKind.SHARE:
        return shared
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
