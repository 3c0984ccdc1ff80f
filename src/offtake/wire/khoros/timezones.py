"""Encodes the list of time zones (Khoros contract 4.5): names, short names and present offsets."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from importlib.resources import files
from typing import Any

from babel.core import Locale, get_global
from babel.dates import get_timezone_gmt, get_timezone_name

from offtake.model.timespan import zone, zone_names

_MILLISECOND = timedelta(milliseconds=1)


def timezones(language: str, now: datetime) -> list[dict[str, Any]]:
    """Every zone that a request may name, in ascending order of offsets.

    The list is cached per quarter of an hour: offsets change at multiples of that.
    """
    quarter = now.replace(minute=now.minute // 15 * 15, second=0, microsecond=0)
    return _listed(language, quarter)


@lru_cache(maxsize=16)
def _listed(language: str, now: datetime) -> list[dict[str, Any]]:
    entries = [_zone(name, now.astimezone(zone(name)), language) for name in sorted(zone_names())]
    return sorted(entries, key=lambda each: each["offsetMillis"])  # stable: by id among equals


def _zone(name: str, local: datetime, language: str) -> dict[str, Any]:
    gmt = get_timezone_gmt(local, locale="en")
    offset = local.utcoffset() or timedelta()
    return {
        "id": name,
        "name": _long(name, local, language, gmt),
        "shortName": _short(local, language, gmt),
        "offsetString": gmt.removeprefix("GMT"),
        "offsetMillis": offset // _MILLISECOND,
    }


def _long(name: str, local: datetime, language: str, gmt: str) -> str:
    """The long name. CLDR has the names of some zones under an older id, and none for a zone that is an offset."""
    found: str = get_timezone_name(local, width="long", locale=language)
    if not found.startswith("GMT"):
        return found
    season = "daylight" if local.dst() else "standard"
    for older in _older_ids().get(name, ()):
        known = Locale(language).meta_zones.get(get_global("meta_zones").get(older), {}).get("long", {})
        if season in known:
            return str(known[season])
    return gmt


def _short(local: datetime, language: str, gmt: str) -> str:
    """The short name: of CLDR, else the letters of the zone database (CEST), else the offset."""
    for found in (get_timezone_name(local, width="short", locale=language), local.tzname() or ""):
        if found.isalpha():
            return found
    return gmt


@lru_cache(maxsize=1)
def _older_ids() -> Mapping[str, list[str]]:
    """The ids that the zone database links to the same zone, for each id."""
    links = files("tzdata").joinpath("zoneinfo", "tzdata.zi").read_text(encoding="utf-8").splitlines()
    words = (line.split() for line in links if line.startswith("L "))
    target = {link: name for _, name, link in words}
    same: dict[str, set[str]] = {}
    for link, name in target.items():
        same.setdefault(name, {name}).add(link)
    return {name: sorted(group) for group in same.values() for name in group}
