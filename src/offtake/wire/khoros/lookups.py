"""The documents of teams, smart views and work queues (Khoros contract 1.3 and 4.6)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from offtake.model.lookups import Queue, SmartView, Team


def team_list(teams: Iterable[Team]) -> list[dict[str, Any]]:
    """Khoros contract 4.6. ``teamId`` is the value for ``teamId`` and ``teamIds``."""
    return [
        {
            "uuid": team.id,
            "teamId": _number(team.number, team.id),
            "name": team.name,
            "description": team.description,
            "numberOfMembers": team.members,
        }
        for team in teams
    ]


def smart_view_list(views: Iterable[SmartView]) -> dict[str, Any]:
    """The sample of this list has a status."""
    shown = [{"id": _number(None, view.id), "name": view.name, "description": view.description} for view in views]
    return {"status": "success", "data": shown}


def work_queue_list(queues: Iterable[Queue]) -> dict[str, Any]:
    """The sample of this list has none."""
    shown = [
        {
            "id": _number(queue.number, queue.id),
            "uuid": queue.id,
            "name": queue.name,
            "description": queue.description,
            "archived": False,
        }
        for queue in queues
    ]
    return {"data": shown}


def _number(number: int | None, id_: str) -> int | str:
    """What filters compare with: the short number, or else the id, as a number where it is one."""
    if number is not None:
        return number
    return int(id_) if id_.isascii() and id_.isdigit() and str(int(id_)) == id_ else id_
