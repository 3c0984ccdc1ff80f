"""Whether a request for a file holds under the conditions it came with (RFC 9110 section 13). Pure."""

from __future__ import annotations

import re

_TAGS = re.compile(r'(W/)?("[\x21\x23-\x7e\x80-\xff]*")')


def failed_condition(if_match: str, if_none_match: str, etag: str) -> int | None:
    """The status that takes the place of the file, in the order of 13.2.2: 412, 304 or None. An empty header is none.

    ``etag`` is a strong one. If-Match compares strongly, so a weak tag matches nothing; If-None-Match weakly.
    """
    if if_match and if_match.strip() != "*" and ("", etag) not in _TAGS.findall(if_match):
        return 412
    if if_none_match and (if_none_match.strip() == "*" or etag in [tag for _, tag in _TAGS.findall(if_none_match)]):
        return 304
    return None
