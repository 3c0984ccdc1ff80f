"""Credentials, and the profiles that store them in the platform's configuration folder.

A profile is a section of ``profiles.ini``, which only its owner can read. The environment takes precedence:
``OFFTAKE_CLIENT_URL`` with ``OFFTAKE_CLIENT_TOKEN``, or with ``OFFTAKE_CLIENT_ID`` and ``OFFTAKE_CLIENT_SECRET``, or,
for Khoros, with ``OFFTAKE_CLIENT_USER``, ``OFFTAKE_CLIENT_PASSWORD`` and ``OFFTAKE_CLIENT_COMPANY_KEY``.
"""

from __future__ import annotations

import configparser
import io
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import platformdirs

from offtake_client.errors import ProfileError
from offtake_client.files import write_private

APPLICATION = "offtake-client"
DEFAULT_PROFILE = "default"
_URL, _TOKEN = "OFFTAKE_CLIENT_URL", "OFFTAKE_CLIENT_TOKEN"
_PROFILE = "OFFTAKE_CLIENT_PROFILE"
# The members of a profile, and the variables of the environment that have their values.
_VARIABLES = {
    "token": _TOKEN,
    "client_id": "OFFTAKE_CLIENT_ID",
    "client_secret": "OFFTAKE_CLIENT_SECRET",
    "token_url": "OFFTAKE_CLIENT_TOKEN_URL",
    "user": "OFFTAKE_CLIENT_USER",
    "password": "OFFTAKE_CLIENT_PASSWORD",
    "company_key": "OFFTAKE_CLIENT_COMPANY_KEY",
}
_HOW = f"Run offtake-client login, or set {_URL} and the variables of a credential, such as {_TOKEN}."


@dataclass(frozen=True)
class BearerToken:
    """A token of ``offtake credential add --kind token``."""

    token: str = field(repr=False)


@dataclass(frozen=True)
class OAuthClient:
    """An OAuth client, which gets access tokens by client credentials (RFC 6749 4.4).

    ``token_url`` is the address of the token endpoint, if it is not /oauth/token of the server.
    """

    id: str
    secret: str = field(repr=False)
    token_url: str = ""


@dataclass(frozen=True)
class BasicUser:
    """A user with a password (RFC 7617), and the company on whose behalf a Khoros user asks."""

    user: str
    password: str = field(repr=False)
    company: str = ""


Credential = BearerToken | OAuthClient | BasicUser
Kinds = tuple[type[Credential], ...]
NATIVE_KINDS: Kinds = (BearerToken, OAuthClient)
_NEEDED: Mapping[type[Credential], tuple[str, ...]] = {
    BearerToken: ("token",),
    OAuthClient: ("client_id", "client_secret"),
    BasicUser: ("user", "password", "company_key"),
}


@dataclass(frozen=True)
class Profile:
    """A server and the credential to use there."""

    url: str
    credential: Credential


def profiles_path() -> Path:
    """Return the path of the file with the profiles."""
    return platformdirs.user_config_path(APPLICATION) / "profiles.ini"


def find_profile(
    name: str | None = None,
    *,
    kinds: Kinds = NATIVE_KINDS,
    environment: Mapping[str, str] = os.environ,
    path: Path | None = None,
) -> Profile:
    """Return the named profile, else that of the environment, else the one named default.

    ``kinds`` are the kinds of credentials that the server accepts. Raises ProfileError.
    """
    url = environment.get(_URL)
    if name is None and url:
        values = {member: environment.get(variable, "") for member, variable in _VARIABLES.items()}
        return Profile(url, _credential(values, kinds, "The environment", _VARIABLES))
    wanted = name or environment.get(_PROFILE) or DEFAULT_PROFILE
    file = path or profiles_path()
    sections = _read(file)
    if wanted not in sections:
        known = f" Known are {', '.join(sections.sections())}." if sections.sections() else ""
        raise ProfileError(f"There is no profile {wanted!r} in {file}.{known}", _HOW)
    section = sections[wanted]
    if not section.get("url"):
        raise ProfileError(f"The profile {wanted!r} in {file} has no url.", _HOW)
    return Profile(section["url"], _credential(section, kinds, f"{file} [{wanted}]", {}))


def save_profile(profile: Profile, name: str = DEFAULT_PROFILE, *, path: Path | None = None) -> Path:
    """Add or replace a profile; return the file, which only its owner can read. Raises ProfileError."""
    file = path or profiles_path()
    sections = _read(file)
    sections[name] = {"url": profile.url, **_members(profile.credential)}
    text = io.StringIO()
    sections.write(text)
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_private(file, text.getvalue().encode())
    except OSError as error:
        raise ProfileError(f"{file} cannot be written: {error.strerror}.", f"Set {_URL} and {_TOKEN}.") from error
    return file


def remove_profile(name: str = DEFAULT_PROFILE, *, path: Path | None = None) -> bool:
    """Remove a profile; return whether there was one. Raises ProfileError."""
    file = path or profiles_path()
    sections = _read(file)
    found = sections.remove_section(name)
    if found:
        text = io.StringIO()
        sections.write(text)
        write_private(file, text.getvalue().encode())
    return found


def _read(file: Path) -> configparser.ConfigParser:
    sections = configparser.ConfigParser(interpolation=None, default_section="")
    try:
        sections.read_string(file.read_text("utf-8"))
    except FileNotFoundError:
        pass
    except (OSError, UnicodeDecodeError, configparser.Error) as error:
        # configparser quotes the line, which may hold a token
        raise ProfileError(f"{file} is not a readable file of profiles ({type(error).__name__}).", _HOW) from None
    return sections


def _members(credential: Credential) -> dict[str, str]:
    """Return the members of a profile with this credential."""
    if isinstance(credential, BearerToken):
        return {"token": credential.token}
    if isinstance(credential, BasicUser):
        return {"user": credential.user, "password": credential.password, "company_key": credential.company}
    where = {"token_url": credential.token_url} if credential.token_url else {}
    return {"client_id": credential.id, "client_secret": credential.secret, **where}


def _credential(values: Mapping[str, str], kinds: Kinds, where: str, names: Mapping[str, str]) -> Credential:
    """Return the first kind of credential of which there are all members. ``names`` are those of the members."""
    for kind in kinds:
        found = [values.get(member, "") for member in _NEEDED[kind]]
        if all(found):
            more = (values.get("token_url", ""),) if kind is OAuthClient else ()
            return kind(*found, *more)
    wanted = [" and ".join(names.get(member, member) for member in _NEEDED[kind]) for kind in kinds]
    raise ProfileError(f"{where} does not have {', or '.join(wanted)}.", _HOW)
