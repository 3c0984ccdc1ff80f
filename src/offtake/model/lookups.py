"""Whom and what a filter may name: an account's teams, queues and smart views, as a client looks them up."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Team:
    """A group of agents."""

    id: str
    number: int | None
    name: str
    description: str | None
    members: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """A queue in use that work waits in."""

    id: str
    number: int | None
    name: str
    description: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SmartView:
    """A stored filter over conversations."""

    id: str
    name: str
    description: str | None
