"""Every option of the product, with its type, default, bounds and one line of help.

Later beats earlier: defaults, ``offtake.toml`` in the home folder, environment (``OFFTAKE_WORKER__THREADS=4`` for
``[worker] threads``, ``OFFTAKE_STATE_URL`` for ``state_url`` above the first table), flags. An option nobody knows, a
value that does not fit or two values that contradict each other stop the start with the file and the line.
``docs/reference/settings.md`` is generated from here.

A dialect describes its own options (``wire/<dialect>/settings.py``). A tenant may have its own values of them, in the
file only: ``[tenants.acme.talkdesk]``.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterator, Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, Field, SecretStr, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from offtake.errors import SettingsError
from offtake.section import Section
from offtake.tomlfile import TomlFile, TomlSyntaxError, read_toml
from offtake.wire import DIALECTS
from offtake.wire.khoros.settings import KhorosSettings
from offtake.wire.loop.settings import LoopSettings
from offtake.wire.talkdesk.settings import TalkdeskSettings

PREFIX = "OFFTAKE_"
_NOT_OPTIONS = frozenset({"OFFTAKE_HOME"})
_STORAGE_URL = r"^((s3|gs|az)://[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9._=/-]*)?|file:///.+)$"


class ServerSettings(Section):
    """The HTTP process and the workers it starts."""

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8080, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    public_url: str | None = Field(
        None,
        pattern=r"^https?://[^/?#]+(/[^?#]*)?$",
        description="How clients reach the server, as https://exports.example.com; links are built from it. "
        "Without it, links repeat the host the client asked for.",
    )
    workers: int = Field(2, ge=0, le=64, description="Worker processes started by `offtake serve`; 0 for none.")
    max_body_bytes: int = Field(65_536, ge=1024, description="Larger request bodies are refused.")
    drain_seconds: float = Field(20.0, ge=0, description="After SIGTERM, how long running downloads may go on.")
    tls_certificate: str | None = Field(
        None,
        description="File of the certificate and the chain above it (PEM); the server then speaks HTTPS only. "
        "A relative path is in the home folder; SIGHUP reads both files again.",
    )
    tls_key: str | None = Field(
        None, validate_default=True, description="File of the certificate's private key (PEM, without a password)."
    )
    tls_minimum: Literal["1.2", "1.3"] = Field("1.2", description="Oldest version of TLS that is spoken.")
    trusted_proxies: tuple[str, ...] = Field(
        (),
        description="Addresses or networks of proxies in front, as 10.0.0.5 or 10.0.0.0/8. X-Forwarded-For, "
        "X-Forwarded-Proto and X-Forwarded-Host are believed from those only.",
    )
    concurrent_requests: int = Field(
        1000, ge=1, description="Requests and downloads answered at once; more get 503 with Retry-After."
    )
    header_seconds: float = Field(
        10.0, gt=0, description="How long a client may take to send a request's headers; then it is disconnected."
    )
    max_header_bytes: int = Field(32_768, ge=4096, description="Larger request headers are refused.")
    keep_alive_seconds: float = Field(5.0, gt=0, description="How long an idle connection is kept open.")
    min_free_mb: int = Field(
        512, ge=0, description="The server is not ready while the artifact store has less free space, in MiB."
    )
    worker_silence_seconds: float = Field(
        30.0,
        ge=0,
        description="The server is not ready when no worker has been alive for so long; 0: workers may be away.",
    )

    @field_validator("public_url")
    @classmethod
    def _no_slash(cls, value: str | None) -> str | None:
        return value.rstrip("/") if value else value

    @field_validator("tls_key")
    @classmethod
    def _both_or_none(cls, value: str | None, info: ValidationInfo) -> str | None:
        if (value is None) != (info.data.get("tls_certificate") is None):
            raise ValueError("tls_certificate and tls_key belong together")
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for item in value:
            ip_network(item)  # raises ValueError, which names it
        return value


class WorkerSettings(Section):
    """Attempts: what one may use, and how one ends."""

    threads: int = Field(2, ge=1, le=256, description="Threads of one attempt's query.")
    memory_mb: int = Field(256, ge=128, description="Memory of one attempt's query, in MiB; what is over it spills.")
    temp_mb: int = Field(20_480, ge=0, description="Disk space one attempt may spill to, in MiB.")
    attempts: int = Field(4, ge=1, le=100, description="Attempts at one job before it fails.")
    retry_seconds: float = Field(5.0, ge=0, description="Wait before the second attempt; it doubles each time.")
    heartbeat_seconds: float = Field(2.0, gt=0, description="How often a running attempt renews its lease.")
    lease_seconds: float = Field(
        15.0, gt=0, description="How long an attempt may be silent before its job is given to another worker."
    )
    drain_seconds: float = Field(
        10.0, ge=0, description="After SIGTERM, how long an attempt may go on before its job is handed back."
    )

    long_seconds: float = Field(
        60.0,
        ge=0,
        description="Of several workers started by `offtake serve`, one leaves exports that are expected to run longer "
        "to the others, so that short ones need not wait; 0 for none.",
    )

    @field_validator("lease_seconds")
    @classmethod
    def _outlives_heartbeats(cls, value: float, info: ValidationInfo) -> float:
        heartbeat = info.data.get("heartbeat_seconds")
        if heartbeat is not None and value < 3 * heartbeat:
            raise ValueError(f"contradicts heartbeat_seconds = {heartbeat:g}: a lease must last three heartbeats")
        return value


class TemporalSettings(Section):
    """Temporal, where `executor` is "temporal"."""

    address: str = Field("127.0.0.1:7233", pattern=r"^[^/@\s]+:\d+$", description="Temporal's host and port.")
    namespace: str = Field("default", min_length=1, description="Temporal's namespace.")
    task_queue: str = Field(
        "offtake",
        min_length=1,
        max_length=200,
        description="Task queue that workers poll. Installations that share a namespace need one each.",
    )
    activities: int = Field(1, ge=1, le=64, description="Attempts that one worker process runs at once.")
    upkeep_seconds: float = Field(
        60.0,
        ge=1,
        description="How often files are expired and swept, lost leases taken back, and jobs rung for again that "
        "waited that long in vain.",
    )
    tls: bool = Field(False, description="Speak TLS. Each option below asks for it by itself.")
    tls_ca_file: str | None = Field(
        None, description="PEM file of the authorities that vouch for Temporal; without it, the system's."
    )
    tls_certificate_file: str | None = Field(None, description="PEM file of our own certificate.")
    tls_key_file: str | None = Field(None, description="PEM file of the key of our certificate.")
    api_key_file: str | None = Field(
        None, description="File that holds an API key of Temporal Cloud; a relative path is in the home folder."
    )
    api_key: SecretStr | None = Field(
        None, description="The API key itself: meant for the environment, OFFTAKE_TEMPORAL__API_KEY."
    )

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if (self.tls_certificate_file is None) != (self.tls_key_file is None):
            raise ValueError("tls_certificate_file and tls_key_file need each other")
        if self.api_key is not None and self.api_key_file is not None:
            raise ValueError("api_key contradicts api_key_file: give one of them")
        return self

    @property
    def speaks_tls(self) -> bool:
        """Whether anything asks for TLS; an API key is never sent without."""
        return self.tls or any((self.tls_ca_file, self.tls_certificate_file, self.api_key_file, self.api_key))


class CatalogueSettings(Section):
    """The report catalogue."""

    folders: tuple[str, ...] = Field(
        (), description="Folders of your own reports, beside the built-in ones; a relative path is in the home folder."
    )


class MetricsSettings(Section):
    """Figures for Prometheus at `/metrics`."""

    token: SecretStr | None = Field(
        None,
        min_length=16,
        description="What `Authorization: Bearer …` has to carry to read /metrics. Without it, there is no such path.",
    )


class StorageSettings(Section):
    """Object storage: what `artifacts_url` and `lake_url` leave open. Credentials are not options; they come from the
    environment (`AWS_ACCESS_KEY_ID` and so on), the machine's own role, or `secrets/storage.env` in the home folder."""

    endpoint: str | None = Field(
        None,
        pattern=r"^https?://[^/?#@]+$",
        description="Where the service answers, as https://s3.example.com; without it, the cloud's own.",
    )
    region: str | None = Field(None, description="Region of the buckets; without it, AWS_REGION, else us-east-1.")
    path_style: bool = Field(
        True, description="Whether the bucket stands in the path of a URL (S3 and its likes) or before the host."
    )
    allow_http: bool = Field(False, description="Whether the endpoint may be plain HTTP.")
    timeout_seconds: float = Field(30.0, gt=0, description="How long one request may take.")
    connect_seconds: float = Field(5.0, gt=0, description="How long it may take to connect.")
    retries: int = Field(5, ge=0, le=100, description="How often a request that failed is repeated.")
    retry_seconds: float = Field(60.0, ge=0, description="Not repeated any more after so many seconds.")
    cache_mb: int = Field(
        10_240, ge=0, description="Copies of the lake's files that a machine keeps, in MiB; those in use come on top."
    )
    cache_folder: str | None = Field(
        None, description="Where they are kept; a relative path is in the home folder. Without it, cache/lake there."
    )

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.endpoint is not None and self.endpoint.startswith("http://") and not self.allow_http:
            raise ValueError("endpoint is plain HTTP, which allow_http = false forbids")
        return self


class LogSettings(Section):
    """Logs: JSON lines on standard error."""

    level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least important level written.")


class Settings(BaseSettings):
    """All options; frozen once read."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        nested_model_default_partial_update=True,
    )

    state_url: str | None = Field(
        None,
        pattern=r"^(sqlite:///.+|postgresql://.+)$",
        description="Database of jobs, identity and audit log, as postgresql://user:password@host/database. "
        "Without it, the SQLite file state.db in the home folder.",
    )

    executor: Literal["workers", "temporal"] = Field(
        "workers",
        description='Who gives jobs to workers: "workers" take them from the job store themselves, "temporal" has '
        "Temporal ring for them.",
    )
    artifacts_url: str | None = Field(
        None,
        pattern=_STORAGE_URL,
        description="Where finished files are kept: s3://bucket/prefix, gs://…, az://container/… or file:///folder. "
        "Without it, the folder artifacts in the home folder.",
    )
    lake_url: str | None = Field(
        None,
        pattern=_STORAGE_URL,
        description="Where the lake's tables are, in the same form. Without it, the folder lake in the home folder.",
    )

    server: ServerSettings = ServerSettings()
    worker: WorkerSettings = WorkerSettings()
    temporal: TemporalSettings = TemporalSettings()
    catalogue: CatalogueSettings = CatalogueSettings()
    talkdesk: TalkdeskSettings = TalkdeskSettings()
    khoros: KhorosSettings = KhorosSettings()
    loop: LoopSettings = LoopSettings()
    metrics: MetricsSettings = MetricsSettings()
    storage: StorageSettings = StorageSettings()
    log: LogSettings = LogSettings()
    tenants: dict[str, dict[str, dict[str, Any]]] = {}

    def section(self, name: str, tenant: str | None = None) -> Section:
        """A table of options, with a tenant's own values over those that hold for all."""
        every: Section = getattr(self, name)
        own = self.tenants.get(tenant, {}).get(name) if tenant else None
        return type(every).model_validate({**every.model_dump(), **own}) if own else every

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags (given to the constructor) over environment over the file (passed as ``_file``)."""
        assert isinstance(init_settings, InitSettingsSource)  # noqa: S101 - what pydantic-settings passes
        flags = dict(init_settings.init_kwargs)
        file = flags.pop("_file", {})
        return (
            InitSettingsSource(settings_cls, init_kwargs=flags),
            env_settings,
            InitSettingsSource(settings_cls, init_kwargs=file),
        )


_WHOLE = tuple(name for name, field in Settings.model_fields.items() if field.description)  # options of no section
_PASSWORD = re.compile(r"(?<=://)([^/@:]*):[^/@]*@")


def masked(value: Any) -> Any:
    """A value as it may be shown: a URL without its password, nothing of a secret."""
    if isinstance(value, SecretStr):
        return "***"
    return _PASSWORD.sub(r"\1:***@", value) if isinstance(value, str) else value


def load_settings(file: Path, flags: Mapping[str, Mapping[str, Any]] | None = None) -> Settings:
    """The settings of an installation. Raises SettingsError with ``file:line`` or the variable's name."""
    toml = _read(file)
    faults = list(_unknown_variables())
    given = {section: dict(values) for section, values in (flags or {}).items() if values}
    try:
        Settings(_file=toml.data)  # type: ignore[call-arg]  # a flag must not hide a bad line
        settings = Settings(_file=toml.data, **given)  # type: ignore[call-arg, arg-type]
    except ValidationError as error:
        faults += [_fault(detail, toml) for detail in error.errors(include_url=False)]
    else:
        faults += _faults_of_tenants(settings, toml)
    if faults:
        raise SettingsError("\n".join(faults))
    return settings


def rows(settings: Settings | None = None) -> Iterator[tuple[str, str, Any, str, Any]]:
    """Section (empty before the first), option, default, help and, where settings are given, the value in force.

    Secrets, and passwords in URLs, are masked.
    """
    for name in _WHOLE:
        option = Settings.model_fields[name]
        value = getattr(settings, name) if settings else option.default
        yield "", name, option.default, option.description or "", masked(value)
    for section, field in Settings.model_fields.items():
        model = field.annotation
        if not (isinstance(model, type) and issubclass(model, BaseModel)):
            continue  # tenants: options of other tables once more
        for name, option in model.model_fields.items():
            value = getattr(getattr(settings, section), name) if settings else option.default
            yield section, name, option.default, option.description or "", masked(value)


def _read(file: Path) -> TomlFile:
    try:
        return read_toml(file)
    except FileNotFoundError:
        return TomlFile(file, {}, {})
    except TomlSyntaxError as error:
        raise SettingsError(f"{file}:{error.line}: not TOML: {error}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file}: cannot be read: {error}") from error


def _faults_of_tenants(settings: Settings, toml: TomlFile) -> Iterator[str]:
    """What is wrong with the tenants' own values: only the tables of dialects may be there."""
    dialects = {dialect.name for dialect in DIALECTS}
    for tenant, own in settings.tenants.items():
        for section in own:
            at = ("tenants", tenant, section)
            if section not in dialects:
                known = ", ".join(sorted(dialects))
                yield f"{toml.where(*at)}: {'.'.join(at)}: a tenant may have its own values of {known} only"
                continue
            try:
                settings.section(section, tenant)
            except ValidationError as error:
                for detail in error.errors(include_url=False):
                    yield _fault({**detail, "loc": (*at, *detail["loc"])}, toml)


def _fault(detail: ErrorDetails, toml: TomlFile) -> str:
    keys = tuple(str(key) for key in detail["loc"])
    where, option = _origin(keys, toml), ".".join(keys)
    if detail["type"] == "extra_forbidden":
        return f"{where}: unknown option {option}{_meant(keys)}"
    return f"{where}: {option}: {detail['msg'].removeprefix('Value error, ')}"


def _origin(keys: tuple[str, ...], toml: TomlFile) -> str:
    """Where a value came from: a variable, or a line of the file, or else a flag."""
    variable = PREFIX + "__".join(keys).upper()
    if variable in {name.upper() for name in os.environ}:
        return f"environment variable {variable}"
    if keys in toml.lines or not toml.data:
        return toml.where(*keys) if toml.data else "flag"
    return toml.where(*keys) if _written(keys, toml) else "flag"


def _written(keys: tuple[str, ...], toml: TomlFile) -> bool:
    data: Any = toml.data
    for key in keys:
        if not isinstance(data, dict) or key not in data:
            return False
        data = data[key]
    return True


def _meant(keys: tuple[str, ...]) -> str:
    known = {".".join(filter(None, (section, name))) for section, name, *_ in rows()} | set(Settings.model_fields)
    head, option = (keys[:2], keys[2:]) if keys[0] == "tenants" and len(keys) > 2 else ((), keys)
    close = difflib.get_close_matches(".".join(option), sorted(known), n=1, cutoff=0.6)
    return f"; did you mean {'.'.join((*head, close[0]))}?" if close else ""


def _unknown_variables() -> Iterator[str]:
    """An OFFTAKE_ variable that is no option is as wrong as an unknown line of the file."""
    known = {PREFIX + "__".join(filter(None, (section, name))).upper() for section, name, *_ in rows()}
    for name in sorted(os.environ):
        if name.upper().startswith(PREFIX) and name.upper() not in known | _NOT_OPTIONS:
            close = difflib.get_close_matches(name.upper(), sorted(known), n=1, cutoff=0.6)
            yield f"environment variable {name}: unknown option{f'; did you mean {close[0]}?' if close else ''}"
