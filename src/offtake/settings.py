"""All options with type, default, bounds and one line of help.

Precedence, lowest first: defaults, ``offtake.toml`` in the home folder, environment (``OFFTAKE_WORKER__THREADS=4`` for
``[worker] threads``, ``OFFTAKE_STATE_URL`` for ``state_url`` above the first table), flags. An unknown option, an
invalid value or contradicting values stop the start with file and line. ``docs/reference/settings.md`` is generated
from this module.

Each room defines its own options (``http/settings.py``, ``executor/settings.py``), and so does each dialect
(``wire/<dialect>/settings.py``). The file may override the options of a dialect and of the
budget for one tenant: ``[tenants.acme.talkdesk]``.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict
from pydantic_settings import SettingsError as NotJson

from offtake.core.settings import BudgetSettings, LoginSettings, PreviewSettings
from offtake.core.sources.settings import SourceName, SourceSettings
from offtake.errors import SettingsError
from offtake.executor.settings import MaintenanceSettings, TemporalSettings, WorkerSettings
from offtake.http.limit_settings import ConnectionSettings, DownloadSettings
from offtake.http.settings import MetricsSettings, ServerSettings
from offtake.objects.settings import StorageSettings
from offtake.settings_messages import closest, explain
from offtake.settings_section import SettingsSection
from offtake.tomlfile import TomlFile, TomlSyntaxError, read_toml
from offtake.wire.khoros.settings import KhorosSettings
from offtake.wire.loop.settings import LoopSettings
from offtake.wire.native.settings import NativeSettings
from offtake.wire.presentations import DIALECT_NAMES
from offtake.wire.sharing.settings import SharingSettings
from offtake.wire.talkdesk.settings import TalkdeskSettings

Flags = Mapping[str, Mapping[str, Any]]  # values of command-line options by table and option
PREFIX = "OFFTAKE_"
MOVE_PASSWORD = "OFFTAKE_MOVE_PASSWORD"  # of `offtake state move`  # noqa: S105 - a name
_NOT_OPTIONS = frozenset({"OFFTAKE_HOME", MOVE_PASSWORD})
_OF_THE_CLIENT = "OFFTAKE_CLIENT_"  # variables of offtake-client, which may run on the same machine
MASK = "***"  # in place of a secret
REQUIRED = ...  # in place of the default of an option that has none
_STORAGE_URL = r"^((s3|gs|az)://[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9._=/-]*)?|file:///[^?#]+)$"


class CatalogueSettings(SettingsSection):
    """The report catalogue."""

    folders: tuple[str, ...] = Field(
        (),
        description="Folders of your own reports, added to the built-in ones. Relative paths start in the home folder.",
    )


class LogSettings(SettingsSection):
    """Logs: JSON lines on standard error."""

    level: Literal["debug", "info", "warning", "error"] = Field("info", description="Lowest level that is written.")


class Settings(BaseSettings):
    """All options. Frozen."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        nested_model_default_partial_update=True,
    )

    state_url: str | None = Field(
        None,
        repr=False,
        pattern=r"^(sqlite:///.+|postgresql://.+)$",
        description="Database of jobs, identity and audit log, as postgresql://user:password@host/database. "
        "Default: the SQLite file state.db in the home folder.",
    )

    executor: Literal["workers", "temporal"] = Field(
        "workers",
        description='How jobs are dispatched: workers poll the job store ("workers"), or "temporal" dispatches them.',
    )
    artifacts_url: str | None = Field(
        None,
        repr=False,
        pattern=_STORAGE_URL,
        description="Artifact store: s3://bucket/prefix, gs://…, az://container/… or file:///folder. "
        "Default: the folder artifacts in the home folder.",
    )
    lake_url: str | None = Field(
        None,
        repr=False,
        pattern=_STORAGE_URL,
        description="Location of the lake's tables: s3://bucket/prefix, gs://…, az://container/… or file:///folder. "
        "Default: the folder lake in the home folder.",
    )

    server: ServerSettings = ServerSettings()
    connections: ConnectionSettings = ConnectionSettings()
    downloads: DownloadSettings = DownloadSettings()
    logins: LoginSettings = LoginSettings()
    worker: WorkerSettings = WorkerSettings()
    maintenance: MaintenanceSettings = MaintenanceSettings()
    temporal: TemporalSettings = TemporalSettings()
    catalogue: CatalogueSettings = CatalogueSettings()
    budget: BudgetSettings = BudgetSettings()
    preview: PreviewSettings = PreviewSettings()
    talkdesk: TalkdeskSettings = TalkdeskSettings()
    khoros: KhorosSettings = KhorosSettings()
    loop: LoopSettings = LoopSettings()
    native: NativeSettings = NativeSettings()
    sharing: SharingSettings = SharingSettings()
    metrics: MetricsSettings = MetricsSettings()
    storage: StorageSettings = StorageSettings()
    log: LogSettings = LogSettings()
    sources: dict[SourceName, SourceSettings] = {}
    tenants: dict[str, dict[str, dict[str, Any]]] = {}

    def table(self, name: str, tenant: str | None = None) -> SettingsSection:
        """The options of one table, overridden by the tenant's own values where it has any."""
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


_TOP_LEVEL = tuple(name for name, field in Settings.model_fields.items() if field.description)
_PASSWORD = re.compile(r"(?<=://)([^/@:]*):(?:[^?]*|.*)@", re.DOTALL)  # may hold any character, even unescaped
_PARAMETER = re.compile(r"([?&](?:password|sslpassword|oauth_client_secret|scram_(?:client|server)_key)=)[^&]*", re.I)


def masked(value: Any) -> Any:
    """Return the value, or all values of a table, with secrets and passwords in URLs replaced by ``MASK``."""
    if isinstance(value, Mapping):
        return {key: masked(each) for key, each in value.items()}
    if isinstance(value, SecretStr):
        return MASK
    if isinstance(value, str) and "://" in value:
        return _PARAMETER.sub(rf"\1{MASK}", _PASSWORD.sub(rf"\1:{MASK}@", value))
    return value


def load_settings(file: Path, flags: Flags | None = None) -> Settings:
    """Load the settings. Raises SettingsError with ``file:line`` or the variable's name for each fault."""
    toml = _read(file)
    faults = list(_unknown_variables())
    overrides = {table: dict(values) for table, values in (flags or {}).items() if values}
    flags_in_use: Flags = {}
    try:
        Settings(_file=toml.data)  # type: ignore[call-arg]  # a flag must not hide an invalid line of the file
        flags_in_use = overrides
        settings = Settings(_file=toml.data, **overrides)  # type: ignore[call-arg, arg-type]
    except ValidationError as error:
        unknown = set(_unknown())
        details = [detail for detail in error.errors(include_url=False) if _variable_of(detail["loc"]) not in unknown]
        faults += [_fault(detail, toml, flags_in_use) for detail in details]
    except NotJson as error:
        faults += list(_faults_of_lists()) or [str(error)]
    else:
        faults += _faults_of_tenants(settings, toml)
    if faults:
        raise SettingsError("\n".join(faults))
    return settings


def rows(settings: Settings | None = None) -> Iterator[tuple[str, str, Any, str, Any]]:
    """Yield table (empty above the first), option, default, help, and the value in force or else the default.

    Secrets and passwords in URLs are masked.
    """
    for name in _TOP_LEVEL:
        option = Settings.model_fields[name]
        value = getattr(settings, name) if settings else option.default
        yield "", name, option.default, option.description or "", masked(value)
    for table, field in Settings.model_fields.items():
        model = field.annotation
        if not (isinstance(model, type) and issubclass(model, BaseModel)):
            continue  # tenants repeat the options of other tables, and the names of sources are the operator's
        for row in rows_of_table(model, getattr(settings, table) if settings else None):
            yield (table, *row)


def rows_of_table(model: type[BaseModel], values: BaseModel | None = None) -> Iterator[tuple[str, Any, str, Any]]:
    """Yield what ``rows`` does of one table, without its name. The default is ``REQUIRED`` if there is none."""
    for name, option in model.model_fields.items():
        default = REQUIRED if option.is_required() else option.default
        yield name, default, option.description or "", masked(default if values is None else getattr(values, name))


def _read(file: Path) -> TomlFile:
    try:
        return read_toml(file)
    except (FileNotFoundError, NotADirectoryError):
        return TomlFile(file, {}, "")
    except TomlSyntaxError as error:
        raise SettingsError(f"{file}:{error.line}: not TOML: {error}") from error
    except OSError as error:
        raise SettingsError(f"{file}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{file}: is not UTF-8; save the file as UTF-8") from error


def _faults_of_tenants(settings: Settings, toml: TomlFile) -> Iterator[str]:
    """Yield the faults of the tenants' own values. Only tables of dialects and the budget are allowed."""
    allowed = {"budget", *_dialects()}
    for tenant, own in settings.tenants.items():
        for table in own:
            at = ("tenants", tenant, table)
            if table not in allowed:
                known = ", ".join(sorted(allowed))
                yield f"{toml.where(*at)}: {'.'.join(at)}: a tenant may override only the tables {known}"
                continue
            try:
                settings.table(table, tenant)
            except ValidationError as error:
                for detail in error.errors(include_url=False):
                    yield _fault({**detail, "loc": (*at, *detail["loc"])}, toml, {})


def _fault(detail: ErrorDetails, toml: TomlFile, flags: Flags) -> str:
    found = tuple(str(key) for key in detail["loc"])
    keys, field = _option(found)
    where, option = _origin(keys, toml, flags), ".".join(keys)
    if detail["type"] == "extra_forbidden":
        return f"{where}: unknown option {option}{_suggestion(keys)}"
    return f"{where}: {option}: {explain(detail, field)}"


def _option(keys: tuple[str, ...]) -> tuple[tuple[str, ...], FieldInfo | None]:
    """Return the keys of the option that these keys lead to or into, with its definition; None for a table."""
    fields = Settings.model_fields
    for length in range(3 if keys[0] == "tenants" else 1, len(keys) + 1):
        field = fields.get(keys[length - 1])
        if field is None:
            break
        if not (isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)):
            return (keys[:length], field) if field.description else (keys, None)
        fields = field.annotation.model_fields
    return keys, None


def _origin(keys: tuple[str, ...], toml: TomlFile, flags: Flags) -> str:
    """Where a value was set: with a flag, in an environment variable, or in the file at the line of it or its table."""
    if keys[1:] and keys[1] in flags.get(keys[0], {}):
        return f"option --{keys[1].replace('_', '-')}"
    variable = _variable_of(keys)
    if variable in {name.upper() for name in os.environ}:
        return f"environment variable {variable}"
    return toml.where(*keys)


def _suggestion(keys: tuple[str, ...]) -> str:
    if keys[0] == "sources":
        close = closest(keys[-1], set(SourceSettings.model_fields))
        return f"; did you mean {close}?" if close else f"; options here: {', '.join(SourceSettings.model_fields)}"
    head, option = (keys[:2], keys[2:]) if keys[0] == "tenants" and len(keys) > 2 else ((), keys)
    known = _options() | (set() if head else set(Settings.model_fields))
    if head:
        known = {name for name in known if name.partition(".")[0] == option[0]}
    close = closest(".".join(option), known)
    if close:
        return f"; did you mean {'.'.join((*head, close))}?"
    same_table = sorted(name.rpartition(".")[2] for name in known if "." in name and name.startswith(f"{option[0]}."))
    listed = same_table or sorted(Settings.model_fields)
    return f"; {'options' if same_table else 'tables and options'} here: {', '.join(listed)}"


def _options() -> set[str]:
    """Return the dotted names of all options."""
    return {".".join(filter(None, (table, name))) for table, name, *_ in rows()}


def _dialects() -> set[str]:
    return set(DIALECT_NAMES)


def _faults_of_lists() -> Iterator[str]:
    """Yield the environment variables of list options whose values are not JSON, without the values."""
    lists = {f"{PREFIX}{table}__{name}".upper() for table, name, default, *_ in rows() if isinstance(default, tuple)}
    for name, value in sorted(os.environ.items()):
        try:
            if name.upper() in lists and value:
                json.loads(value)
        except ValueError:
            yield f'environment variable {name}: not a list; write it as JSON, {name}=\'["one", "two"]\''


def _unknown() -> Iterator[str]:
    """Yield the names, in upper case, of the OFFTAKE_ variables that set no known option."""
    known = {_variable_of(option.split(".")) for option in _options()} | _NOT_OPTIONS
    given = {name.upper() for name in os.environ if name.upper().startswith(PREFIX)}
    yield from sorted(name for name in given - known if not name.startswith(_OF_THE_CLIENT))


def _unknown_variables() -> Iterator[str]:
    """Yield the faults of the variables that set no known option."""
    for name in _unknown():
        given = name.removeprefix(PREFIX).lower().replace("__", ".")
        in_table = sorted(option for option in _options() if option.startswith(f"{given}."))
        close = closest(given, _options())
        if in_table:
            hint = f"it is a table; set its options one by one, such as {_variable_of(in_table[0].split('.'))}"
        elif close:
            hint = f"did you mean {_variable_of(close.split('.'))}?"
        else:
            hint = "offtake config show lists all options"
        yield f"environment variable {name}: unknown option; {hint}"


def _variable_of(keys: Iterable[str | int]) -> str:
    return PREFIX + "__".join(map(str, keys)).upper()
