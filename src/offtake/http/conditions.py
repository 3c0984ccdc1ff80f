"""Evaluate If-Match and If-None-Match of a download (RFC 9110 section 13)."""

from __future__ import annotations

import re

_TAGS = re.compile(r'(W/)?("[\x21\x23-\x7e\x80-\xff]*")')


def failed_condition(if_match: str, if_none_match: str, etag: str) -> int | None:
    """Return the status of the first condition that fails, in the order of 13.2.2: 412, 304, or None.

    An empty header counts as absent. ``etag`` is strong. If-Match uses strong comparison, so a weak tag never matches;
    If-None-Match uses weak comparison.
    """
    if if_match and if_match.strip() != "*" and ("", etag) not in _TAGS.findall(if_match):
        return 412
    if if_none_match and (if_none_match.strip() == "*" or etag in [tag for _, tag in _TAGS.findall(if_none_match)]):
        return 304
    return None
