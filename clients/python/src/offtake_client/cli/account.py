"""Commands about the server and the account: login, logout, reports, describe, limits."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from offtake_client import Offtake
from offtake_client.cli import dialects
from offtake_client.cli.options import DialectOption, JsonOption, ProfileOption, QuietOption, connect
from offtake_client.cli.output import Output, size
from offtake_client.credentials import (
    DEFAULT_PROFILE,
    BasicUser,
    BearerToken,
    Credential,
    OAuthClient,
    Profile,
    profiles_path,
    remove_profile,
    save_profile,
)
from offtake_client.errors import ProfileError, UnknownOption


def login(
    url: Annotated[str, typer.Argument(help="Address of the server, such as https://exports.example.com.")],
    client_id: Annotated[
        str | None, typer.Option("--client-id", help="Id of an OAuth client; its secret is asked for.")
    ] = None,
    user: Annotated[
        str | None, typer.Option("--user", help="With --dialect khoros: the user; the password is asked for.")
    ] = None,
    company_key: Annotated[
        str | None, typer.Option("--company-key", help="With --dialect khoros: the key of the company.")
    ] = None,
    token_url: Annotated[
        str, typer.Option("--token-url", help="With --client-id: the token endpoint, if it is on another host.")
    ] = "",
    dialect: DialectOption = None,
    name: Annotated[str, typer.Option("--profile", help="Name of the profile.")] = DEFAULT_PROFILE,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Check a credential and store it in a profile.

    Only you can read the file of the profiles. The token, or the secret of the OAuth client, is asked for, or read from
    standard input if that is no terminal.
    """
    output = Output(json, quiet)
    if (user is None) != (company_key is None) or (user is not None) != (dialect == "khoros"):
        raise UnknownOption("--user and --company-key are for --dialect khoros, which needs both.")
    secret = _secret("Password" if user else "Client secret" if client_id else "Token")
    credential: Credential
    if user is not None and company_key is not None:
        credential = BasicUser(user, secret, company_key)
    else:
        credential = OAuthClient(client_id, secret, token_url) if client_id else BearerToken(secret)
    if dialect is not None:
        dialects.check(dialect, url, credential, output)
        stored = save_profile(Profile(url, credential), name)
        found: dict[str, object] = {"profile": name, "file": stored, "url": url, "dialect": dialect}
        output.result(found, f"Stored the profile {name} in {stored}. Use it with --dialect {dialect}.")
        return
    token, client = (secret, None) if client_id is None else (None, (client_id, secret))
    with Offtake(url, token=token, client=client, note=output.note) as offtake:
        reports = offtake.reports()
        stored = save_profile(Profile(offtake.operand.url, credential), name)
    found = {"profile": name, "file": stored, "url": url, "reports": len(reports)}
    output.result(found, f"Stored the profile {name} in {stored}. {len(reports)} reports: offtake-client reports.")


def logout(
    name: Annotated[str, typer.Option("--profile", help="Name of the profile.")] = DEFAULT_PROFILE,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")] = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Remove a profile. The credential itself stays valid: the operator revokes it."""
    path = profiles_path()
    if dry_run:
        Output(json, quiet).result({"profile": name, "file": path, "removed": False}, f"Would remove {name} of {path}.")
        return
    if not remove_profile(name):
        raise ProfileError(f"There is no profile {name!r} in {path}.")
    Output(json, quiet).result({"profile": name, "file": path, "removed": True}, f"Removed {name} of {path}.")


def _secret(title: str) -> str:
    secret = typer.prompt(title, hide_input=True, err=True) if sys.stdin.isatty() else sys.stdin.readline()
    if not secret.strip():
        raise ProfileError(f"{title}: nothing was given.", "Type it, or pipe it to standard input.")
    return str(secret).strip()


def reports(profile: ProfileOption = None, json: JsonOption = False, quiet: QuietOption = False) -> None:
    """List the reports that you may export."""
    output = Output(json, quiet)
    with connect(profile, output) as offtake:
        found = offtake.reports()
    output.table({"reports": found}, ("report", "columns", "one row is"), [(r.name, r.columns, r.grain) for r in found])


def describe(
    report: Annotated[str, typer.Argument(help="Name of the report.")],
    profile: ProfileOption = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Show the columns of a report.

    Each has its type, unit, filters and meaning, and is marked if it is personal data.
    """
    output = Output(json, quiet)
    with connect(profile, output) as offtake:
        found = offtake.describe(report)
    rows = [
        (
            column.name,
            f"{column.type} {column.unit or ''}".strip(),
            "personal" if column.personal else "",
            ", ".join(column.operators),
            column.meaning,
        )
        for column in found.columns
    ]
    if not json:
        output.result(None, f"{found.title}: {found.grain}", f"Key: {', '.join(found.key)}", "")
    output.table(found, ("column", "type", "", "filters", "meaning"), rows)


def limits(profile: ProfileOption = None, json: JsonOption = False, quiet: QuietOption = False) -> None:
    """Show what you may export and keep, and what is used of it."""
    output = Output(json, quiet)
    with connect(profile, output) as offtake:
        allowed, used = offtake.limits(), offtake.usage()
    rows = [
        ("open exports", allowed.open_exports, used.open_exports),
        ("kept files", allowed.kept_files, used.kept_files),
        ("kept bytes", size(allowed.kept_bytes), size(used.kept_bytes)),
        ("kept rows", allowed.kept_rows, used.kept_rows),
        ("bytes of a day", size(allowed.daily_bytes), size(used.daily_bytes)),
        ("rows of an export", allowed.rows, None),
        ("days of an export", allowed.longest_days, None),
        ("days that files are kept", allowed.retention_days, None),
        *((f"{name} requests in {rate.seconds} s", rate.requests, None) for name, rate in allowed.rates.items()),
    ]
    shown = [(what, "no limit" if most in (None, "") else most, now) for what, most, now in rows]
    output.table({"limits": allowed, "usage": used}, ("limit", "most", "used"), shown)
