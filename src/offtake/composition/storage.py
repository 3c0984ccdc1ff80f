"""Builds the artifact store and the storage of the lake, and checks that they can be used."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import structlog

from offtake.artifacts.bucket import BucketArtifacts
from offtake.artifacts.folder import FolderArtifacts
from offtake.artifacts.store import ArtifactStore
from offtake.core.services import Services
from offtake.errors import HomeError, SettingsError, StorageUnavailable
from offtake.home import Home, read_storage_secrets
from offtake.lake.storage import BucketTableStorage, FolderTableStorage, TableStorage, unsupported_characters
from offtake.objects.bucket import Bucket
from offtake.objects.location import SERVICES, Access, ObjectLocation, parse_location
from offtake.settings import Settings
from offtake.settings_messages import escaped

_log = structlog.get_logger("offtake.app")


def check_lake_folder(home: Home, settings: Settings) -> None:
    """Check that a lake in a local folder has a path that delta-rs can open. Raises SettingsError, HomeError."""
    location = parse_location(settings.lake_url) if settings.lake_url else home.lake
    found = unsupported_characters(location) if isinstance(location, Path) else ""
    if not found:
        return
    fault = f"The lake cannot be in '{escaped(str(location))}': its path, with links resolved, contains {found}"
    if settings.lake_url:
        raise SettingsError(f"lake_url: {fault}. Rename the folder, or choose another.")
    raise HomeError(f"{fault}. Rename the folder, choose another home, or set lake_url to another folder or a bucket.")


def check_storage(services: Services) -> None:
    """Check at the start that lake and artifact store can be reached.

    Raises SettingsError for a fault that only the operator can fix. A service that does not answer is only logged:
    jobs wait until it is back.
    """
    for option, check in (("artifacts_url", services.artifacts.check), ("lake_url", services.lake.storage.check)):
        try:
            check()
        except StorageUnavailable as error:
            _log.warning("storage_unreachable", option=option, reason=error.message)


def build_artifacts(home: Home, settings: Settings) -> ArtifactStore:
    """Return the store of the artifacts, in a folder or a bucket."""
    location = parse_location(settings.artifacts_url) if settings.artifacts_url else home.artifacts
    if isinstance(location, Path):
        return FolderArtifacts(location)
    return BucketArtifacts(home.artifacts, Bucket(location, _access(home, settings)))


def build_table_storage(home: Home, settings: Settings) -> TableStorage:
    """Return the storage of the lake's tables, in a folder or a bucket."""
    location, storage = parse_location(settings.lake_url) if settings.lake_url else home.lake, settings.storage
    if isinstance(location, Path):
        return FolderTableStorage(location)
    folder = home.root / storage.cache_folder if storage.cache_folder else home.cache
    return BucketTableStorage(Bucket(location, _access(home, settings)), folder, storage.cache_mb * 1024 * 1024)


def open_source_bucket(home: Home, settings: Settings, location: ObjectLocation) -> Bucket:
    """Return a client of a bucket from which rows are loaded.

    ``[storage]`` names one service. It is that of the lake and the artifacts, if they are in buckets; a bucket of
    another provider is at the provider's own endpoint.
    """
    access = _access(home, settings)
    own = {urlsplit(url).scheme for url in (settings.lake_url, settings.artifacts_url) if url} & SERVICES.keys()
    if own and location.scheme not in own:
        access = replace(access, endpoint=None, region=None, allow_http=False)
    return Bucket(location, access)


def _access(home: Home, settings: Settings) -> Access:
    """How to connect to object storage. Environment variables override the file of credentials."""
    storage = settings.storage
    stored = read_storage_secrets(home.storage_secrets)
    credentials = stored | {name: os.environ[name] for name in stored if name in os.environ}
    return Access(
        endpoint=storage.endpoint,
        region=storage.region or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION"),
        path_style=storage.path_style,
        allow_http=storage.allow_http,
        timeout_seconds=storage.timeout_seconds,
        connect_seconds=storage.connect_seconds,
        retries=storage.retries,
        retry_seconds=storage.retry_seconds,
        secrets=credentials,
    )
