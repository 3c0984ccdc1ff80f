"""The oracles: for every report of the catalogue, an independent calculation of its rows and its files."""

from __future__ import annotations

from tests.property.oracles import (
    audit_logs,
    calls,
    conversation,
    conversation_actions,
    flow,
    inbox_conversations,
    messaging,
    people,
    posts,
    user_status,
    voice,
    workforce,
)
from tests.property.oracles.report_oracle import ReportOracle

ORACLES: tuple[ReportOracle, ...] = (
    *calls.ORACLES,
    *user_status.ORACLES,
    *voice.ORACLES,
    *flow.ORACLES,
    *messaging.ORACLES,
    *workforce.ORACLES,
    *audit_logs.ORACLES,
    *conversation.ORACLES,
    *conversation_actions.ORACLES,
    *posts.ORACLES,
    *people.ORACLES,
    *inbox_conversations.ORACLES,
)
