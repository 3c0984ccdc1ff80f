"""Posts that answer each other: the shared strategies draw few posts, and any text as their delivery."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from tests.property.oracles.conversation_filters import with_accounts
from tests.strategies import Care, Row, Scenario

_DELIVERIES = ("sent", "failed", "deleted", None)
_NUDGES = tuple(timedelta(microseconds=size) for size in (-1, 0, 0, 1, 999_999, 90_000_000))


@st.composite
def with_threads(draw: DrawFn, cares: tuple[Care, ...]) -> tuple[Care, ...]:
    """The same tenants with more posts, often close in time to a drawn post and in answer to it."""
    return tuple(replace(care, rows={**care.rows, "post": _posts(draw, care.rows["post"])}) for care in cares)


def threads_and_accounts(scenario: Scenario) -> SearchStrategy[tuple[Care, ...]]:
    """The tenants of a scenario with threads of posts, smart views, business hours and holidays."""
    return with_threads(scenario.tenants).flatmap(with_accounts)


def _posts(draw: DrawFn, given: tuple[Row, ...]) -> tuple[Row, ...]:
    posts = [{**post, "delivery": draw(st.sampled_from(_DELIVERIES))} for post in given]
    ids = {post["post_id"] for post in posts}
    for number in range(draw(st.integers(0, 8)) if posts else 0):
        name = f"post {number}"
        if name in ids:
            continue
        like, answered = draw(st.sampled_from(posts)), draw(st.none() | st.sampled_from(posts))
        near = answered or like
        posts.append(
            {
                **like,
                "post_id": name,
                "kind": draw(st.sampled_from(("incoming", "response", "response", "comment"))),
                "happened_at": near["happened_at"] + draw(st.sampled_from(_NUDGES)),
                "in_reply_to_post_id": answered["post_id"] if answered else None,
                "delivery": draw(st.sampled_from(_DELIVERIES)),
            }
        )
    return tuple(posts)
