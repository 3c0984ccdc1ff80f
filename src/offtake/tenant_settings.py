"""Limits and budgets of one tenant: which options it may have of its own, and where the values in force come from.

Precedence, lowest first: defaults, the settings for all tenants, the tenant's tables of ``offtake.toml``, and what
``offtake tenant set`` stored in the state database.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import structlog
from pydantic import ValidationError

from offtake.errors import SettingsError
from offtake.model.tenant import Options, Tenant
from offtake.settings import Settings
from offtake.settings_messages import closest, explain
from offtake.settings_section import SettingsSection
from offtake.wire.presentations import DIALECT_NAMES

BUDGET = "budget"
_NONE = "none"
_log = structlog.get_logger("offtake.tenants")
# Options of dialects that the core reads at each use. Others are read at the start, or are no limits.
_LIMITS = frozenset(
    {"open_jobs", "longest_days", "rows", "retention_days", "longest_retention_days", "link_seconds", "history_months"}
    | {"requests_per_minute", "creates_per_minute", "previews_per_minute", "reads_per_minute"}
)


class Origin(StrEnum):
    """Where a value comes from."""

    TENANT = "tenant set"
    TENANT_SETTINGS = "settings of the tenant"
    SETTINGS = "settings"
    DEFAULT = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionInForce:
    """One limit of a tenant, with its value."""

    table: str
    option: str
    value: Any  # None: no limit
    origin: Origin
    description: str


def tenant_table(settings: Settings, table: str, tenant: str, stored: Mapping[str, Any]) -> SettingsSection:
    """Return the options of one table for a tenant. Stored values that this release refuses are left out, and logged.

    A release may rename an option or narrow its bounds, and the other options of the tenant still apply.
    """
    base = settings.table(table, tenant)
    if not stored:
        return base
    try:
        return _merged(base, stored)
    except ValidationError as error:
        refused = {str(detail["loc"][0]) for detail in error.errors() if detail["loc"]}
        _log.warning("tenant_options_refused", tenant=tenant, options=[f"{table}.{name}" for name in sorted(refused)])
        return _merged(base, {name: value for name, value in stored.items() if name not in refused})


def options_in_force(settings: Settings, tenant: Tenant) -> Iterator[OptionInForce]:
    """Yield every limit of the tenant and its budget, with the value in force and its origin."""
    for table in _tables():
        stored, in_file = tenant.options.get(table, {}), settings.tenants.get(tenant.name, {}).get(table, {})
        in_force, shared = tenant_table(settings, table, tenant.name, stored), settings.table(table)
        for name in _options(table):
            field = type(shared).model_fields[name]
            if name in stored and getattr(in_force, name) == stored[name]:
                origin = Origin.TENANT
            elif name in in_file:
                origin = Origin.TENANT_SETTINGS
            else:
                origin = Origin.DEFAULT if getattr(shared, name) == field.default else Origin.SETTINGS
            yield OptionInForce(
                table=table,
                option=name,
                value=getattr(in_force, name),
                origin=origin,
                description=field.description or "",
            )


def changed_options(settings: Settings, tenant: Tenant, limits: Sequence[str], unset: Sequence[str]) -> Options:
    """Return the tenant's stored options with ``TABLE.OPTION=VALUE`` set and ``TABLE.OPTION`` unset.

    Raises SettingsError that names every option that is unknown and every value that is not accepted.
    """
    changed = {table: dict(values) for table, values in tenant.options.items()}
    faults = []
    for text in unset:
        table, _, name = text.strip().partition(".")
        if name not in changed.get(table, {}):
            faults.append(f"--unset {text}: {_unknown(text) or 'the tenant has no value of its own'}")
            continue
        del changed[table][name]
    for text in limits:
        key, equals, value = text.partition("=")
        table, _, name = key.strip().partition(".")
        unknown = _unknown(key.strip())
        if not equals or unknown:
            faults.append(f"--limit {text}: {unknown or 'write TABLE.OPTION=VALUE'}")
            continue
        changed.setdefault(table, {})[name] = _value(value.strip())
    for table, values in changed.items():
        faults += _refused(settings, tenant.name, table, values)
    if faults:
        raise SettingsError("\n".join(faults))
    return {table: values for table, values in changed.items() if values}


def _merged(base: SettingsSection, own: Mapping[str, Any]) -> SettingsSection:
    return type(base).model_validate({**base.model_dump(), **own})


def _tables() -> tuple[str, ...]:
    return (BUDGET, *DIALECT_NAMES)


def _options(table: str) -> list[str]:
    names = Settings.model_fields[table].annotation.model_fields  # type: ignore[union-attr]
    return [name for name in names if table == BUDGET or name in _LIMITS]


def _unknown(option: str) -> str | None:
    """Return why no tenant can have such an option, with the one that was probably meant; None if it can."""
    known = [f"{table}.{name}" for table in _tables() for name in _options(table)]
    if option in known:
        return None
    close = closest(option, known)
    if close:
        return f"unknown limit; did you mean {close}?"
    table = option.partition(".")[0]
    if table in _tables():
        return f"unknown limit; the limits of {table} are {', '.join(_options(table))}"
    return f"unknown limit; write one of the tables {', '.join(_tables())}, a dot and the option"


def _value(text: str) -> Any:
    """Return the value as TOML reads it; ``none`` is no limit, and any other text is itself."""
    if text.lower() == _NONE:
        return None
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (tomllib.TOMLDecodeError, RecursionError):
        return text


def _refused(settings: Settings, tenant: str, table: str, values: Mapping[str, Any]) -> Iterator[str]:
    base = settings.table(table, tenant)
    try:
        _merged(base, values)
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            name = str(detail["loc"][0]) if detail["loc"] else ""
            yield f"--limit {table}.{name}: {explain(detail, type(base).model_fields.get(name))}"
