"""Every option of the product, with its type, default, bounds and one line of help.

Later beats earlier: defaults, ``offtake.toml`` in the home folder, environment (``OFFTAKE_WORKER__THREADS=4`` for
``[worker] threads``, ``OFFTAKE_STATE_URL`` for ``state_url`` above the first table), flags. An option nobody knows, a
value that does not fit or two values that contradict each other stop the start with the file and the line.
``docs/reference/settings.md`` is generated from here.

The parts describe their own options (``http/settings.py``, ``executor/settings.py``), and so does each dialect
(``wire/<dialect>/settings.py``). A tenant may have its own values of a dialect's, in the file only:
``[tenants.acme.talkdesk]``.
"""

from __future__ import annotations

import difflib
import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field, SecretStr, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict
from pydantic_settings import SettingsError as NotJson

from offtake.errors import SettingsError
from offtake.executor.settings import TemporalSettings, WorkerSettings
from offtake.http.settings import MetricsSettings, ServerSettings
from offtake.objects.settings import StorageSettings
from offtake.settings_section import SettingsSection
from offtake.tomlfile import TomlFile, TomlSyntaxError, read_toml
from offtake.wire import DIALECTS
from offtake.wire.khoros.settings import KhorosSettings
from offtake.wire.loop.settings import LoopSettings
from offtake.wire.talkdesk.settings import TalkdeskSettings

PREFIX = "OFFTAKE_"
_NOT_OPTIONS = frozenset({"OFFTAKE_HOME"})
_STORAGE_URL = r"^((s3|gs|az)://[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9._=/-]*)?|file:///.+)$"


class CatalogueSettings(SettingsSection):
    """The report catalogue."""

    folders: tuple[str, ...] = Field(
        (), description="Folders of your own reports, beside the built-in ones; a relative path is in the home folder."
    )


class LogSettings(SettingsSection):
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

    def section(self, name: str, tenant: str | None = None) -> SettingsSection:
        """A table of options, with a tenant's own values over those that hold for all."""
        every: SettingsSection = getattr(self, name)
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
_PASSWORD = re.compile(r"(?<=://)([^/@:]*):(?:[^?]*|.*)@", re.DOTALL)  # it may hold any character, even unescaped
_PARAMETER = re.compile(r"([?&](?:password|sslpassword|oauth_client_secret|scram_(?:client|server)_key)=)[^&]*", re.I)


def masked(value: Any) -> Any:
    """A value as it may be shown: a URL without its passwords, nothing of a secret."""
    if isinstance(value, SecretStr):
        return "***"
    if isinstance(value, str) and "://" in value:
        return _PARAMETER.sub(r"\1***", _PASSWORD.sub(r"\1:***@", value))
    return value


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
    except NotJson as error:
        faults += list(_lists_that_are_none()) or [str(error)]
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


def _lists_that_are_none() -> Iterator[str]:
    """Variables of options that are lists, whose values are not JSON; the value itself is told nobody."""
    lists = {
        f"{PREFIX}{section}__{name}".upper() for section, name, default, *_ in rows() if isinstance(default, tuple)
    }
    for name, value in sorted(os.environ.items()):
        try:
            if name.upper() in lists and value:
                json.loads(value)
        except ValueError:
            yield f'environment variable {name}: not a list; write it as JSON, {name}=\'["one", "two"]\''


def _unknown_variables() -> Iterator[str]:
    """An OFFTAKE_ variable that is no option is as wrong as an unknown line of the file."""
    known = {PREFIX + "__".join(filter(None, (section, name))).upper() for section, name, *_ in rows()}
    for name in sorted(os.environ):
        if name.upper().startswith(PREFIX) and name.upper() not in known | _NOT_OPTIONS:
            close = difflib.get_close_matches(name.upper(), sorted(known), n=1, cutoff=0.6)
            yield f"environment variable {name}: unknown option{f'; did you mean {close[0]}?' if close else ''}"
