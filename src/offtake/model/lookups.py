"""Lookup values for filters: an account's teams, queues and smart views."""

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
    """A work queue that is in use."""

    id: str
    number: int | None
    name: str
    description: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SmartView:
    """A stored filter of conversations (``model.expression``)."""

    id: str
    name: str
    description: str | None
