"""Where the files and folders of an installation are."""

from __future__ import annotations

from pathlib import Path

from offtake.home import Home
from offtake.objects.location import parse_location
from offtake.settings import Settings
from offtake.store.database import sqlite_files, sqlite_url


def state_url(home: Home, settings: Settings) -> str:
    """The URL of the state database."""
    return settings.state_url or sqlite_url(home.state)


def installation_paths(home: Home, settings: Settings) -> list[Path]:
    """Return the files and folders of the installation, wherever the settings put them. No command may replace them."""
    server, temporal = settings.server, settings.temporal
    named = [server.tls_certificate, server.tls_key, *settings.catalogue.folders, settings.storage.cache_folder]
    named += [temporal.tls_ca_file, temporal.tls_certificate_file, temporal.tls_key_file, temporal.api_key_file]
    urls = [parse_location(url) for url in (settings.lake_url, settings.artifacts_url) if url]
    return [
        *home.contents,
        *(home.root / name for name in named if name),
        *(location for location in urls if isinstance(location, Path)),
        *sqlite_files(state_url(home, settings)),
    ]
