"""Credentials, and the profiles that store them in the platform's configuration folder.

A profile is a section of ``profiles.ini``, which only its owner can read. The environment takes precedence:
``OFFTAKE_CLIENT_URL`` with ``OFFTAKE_CLIENT_TOKEN``, or with ``OFFTAKE_CLIENT_ID`` and ``OFFTAKE_CLIENT_SECRET``.
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
_ID, _SECRET, _PROFILE = "OFFTAKE_CLIENT_ID", "OFFTAKE_CLIENT_SECRET", "OFFTAKE_CLIENT_PROFILE"
_HOW = f"Run offtake-client login, or set {_URL} and {_TOKEN}."


@dataclass(frozen=True)
class BearerToken:
    """A token of ``offtake credential add --kind token``."""

    token: str = field(repr=False)


@dataclass(frozen=True)
class OAuthClient:
    """An OAuth client, which gets access tokens by client credentials (RFC 6749 4.4)."""

    id: str
    secret: str = field(repr=False)


Credential = BearerToken | OAuthClient


@dataclass(frozen=True)
class Profile:
    """A server and the credential to use there."""

    url: str
    credential: Credential


def profiles_path() -> Path:
    """Return the path of the file with the profiles."""
    return platformdirs.user_config_path(APPLICATION) / "profiles.ini"


def find_profile(
    name: str | None = None, *, environment: Mapping[str, str] = os.environ, path: Path | None = None
) -> Profile:
    """Return the named profile, else that of the environment, else the one named default. Raises ProfileError."""
    url = environment.get(_URL)
    if name is None and url:
        return Profile(url, _credential(environment, _TOKEN, _ID, _SECRET, "the environment"))
    wanted = name or environment.get(_PROFILE) or DEFAULT_PROFILE
    file = path or profiles_path()
    sections = _read(file)
    if wanted not in sections:
        known = f" Known are {', '.join(sections.sections())}." if sections.sections() else ""
        raise ProfileError(f"There is no profile {wanted!r} in {file}.{known}", _HOW)
    section = sections[wanted]
    if not section.get("url"):
        raise ProfileError(f"The profile {wanted!r} in {file} has no url.", _HOW)
    return Profile(section["url"], _credential(section, "token", "client_id", "client_secret", f"{file} [{wanted}]"))


def save_profile(profile: Profile, name: str = DEFAULT_PROFILE, *, path: Path | None = None) -> Path:
    """Add or replace a profile; return the file, which only its owner can read. Raises ProfileError."""
    file = path or profiles_path()
    sections = _read(file)
    credential = profile.credential
    secret = (
        {"token": credential.token}
        if isinstance(credential, BearerToken)
        else {"client_id": credential.id, "client_secret": credential.secret}
    )
    sections[name] = {"url": profile.url, **secret}
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


def _credential(values: Mapping[str, str], token: str, client_id: str, secret: str, where: str) -> Credential:
    if values.get(token):
        return BearerToken(values[token])
    if values.get(client_id) and values.get(secret):
        return OAuthClient(values[client_id], values[secret])
    raise ProfileError(f"{where} has neither {token} nor {client_id} and {secret}.", _HOW)
