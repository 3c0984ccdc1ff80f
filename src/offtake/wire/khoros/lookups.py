"""The lookups for filters: time zones, teams, smart views, work queues (Khoros contract 1.3, 4.5 and 4.6)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from starlette.responses import Response

from offtake.core import lookups
from offtake.model.lookups import Queue, SmartView, Team
from offtake.model.tenant import Scope
from offtake.wire.endpoint import Endpoint, decode_nothing, require_scope
from offtake.wire.khoros.auth import KhorosCall, authenticate, limit_rate, permit_read, permit_teams
from offtake.wire.khoros.responses import KhorosResponse, answer
from offtake.wire.khoros.tables import LANGUAGES
from offtake.wire.khoros.timezones import timezones


def _decode_language(call: KhorosCall) -> str:
    """The language of the zones' names; English for an unknown one."""
    language = (call.sent.one("locale") or "en").replace("-", "_").partition("_")[0].lower()
    return language if language in LANGUAGES else "en"


def _zones(call: KhorosCall, language: str) -> list[dict[str, Any]]:
    return timezones(language, call.on.clock())


def _answer_zones(call: KhorosCall, _: str, zones: list[dict[str, Any]]) -> Response:
    return answer(call.request, zones)


TIMEZONES = Endpoint(
    authenticate=authenticate,
    limit_rate=limit_rate,
    authorise=permit_read,
    decode=_decode_language,
    act=_zones,
    encode=_answer_zones,
)


def _teams(call: KhorosCall, _: None) -> Sequence[Team]:
    return lookups.teams(call.by, call.on)


def _answer_teams(call: KhorosCall, _: None, teams: Iterable[Team]) -> Response:
    """The list of teams (Khoros contract 4.6). Filters by ``teamId`` and ``teamIds`` take its ``teamId``."""
    entries = [
        {
            "uuid": team.id,
            "teamId": _number(team.number, team.id),
            "name": team.name,
            "description": team.description,
            "numberOfMembers": team.members,
        }
        for team in teams
    ]
    return answer(call.request, entries)


TEAMS = Endpoint(
    authenticate=authenticate,
    limit_rate=limit_rate,
    authorise=permit_teams,
    decode=decode_nothing,
    act=_teams,
    encode=_answer_teams,
)


def _smart_views(call: KhorosCall, _: None) -> Sequence[SmartView]:
    return lookups.smart_views(call.by, call.on)


def _answer_smart_views(call: KhorosCall, _: None, views: Iterable[SmartView]) -> Response:
    """The list of smart views, with a status as in the vendor's sample."""
    entries = [{"id": _number(None, view.id), "name": view.name, "description": view.description} for view in views]
    return KhorosResponse({"status": "success", "data": entries})


SMART_VIEWS = Endpoint(
    authenticate=authenticate,
    limit_rate=limit_rate,
    authorise=require_scope(Scope.READ),
    decode=decode_nothing,
    act=_smart_views,
    encode=_answer_smart_views,
)


def _work_queues(call: KhorosCall, _: None) -> Sequence[Queue]:
    return lookups.queues(call.by, call.on)


def _answer_work_queues(call: KhorosCall, _: None, queues: Iterable[Queue]) -> Response:
    """The list of work queues, without a status as in the vendor's sample."""
    entries = [
        {
            "id": _number(queue.number, queue.id),
            "uuid": queue.id,
            "name": queue.name,
            "description": queue.description,
            "archived": False,
        }
        for queue in queues
    ]
    return KhorosResponse({"data": entries})


WORK_QUEUES = Endpoint(
    authenticate=authenticate,
    limit_rate=limit_rate,
    authorise=require_scope(Scope.READ),
    decode=decode_nothing,
    act=_work_queues,
    encode=_answer_work_queues,
)


def _number(number: int | None, id_: str) -> int | str:
    """The value that filters take: the short number, else the id, as a number if it is one."""
    if number is not None:
        return number
    return int(id_) if id_.isascii() and id_.isdigit() and str(int(id_)) == id_ else id_
