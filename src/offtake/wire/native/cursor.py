"""Cursors of lists of exports: the creation and the id of the last export of a page, as opaque text."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime

from offtake.model.job import Job

_LONGEST_ID = 36


def encode_cursor(last: Job) -> str:
    """Return the cursor of the page that follows a job."""
    content = json.dumps([last.created_at.astimezone(UTC).isoformat(), last.id])
    return base64.urlsafe_b64encode(content.encode()).rstrip(b"=").decode()


def decode_cursor(text: str) -> tuple[datetime, str]:
    """Return creation and id of the job behind which a page begins. Raises ValueError."""
    decoded = base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    content = json.loads(decoded)
    if not isinstance(content, list) or len(content) != 2 or not all(isinstance(each, str) for each in content):
        raise ValueError(text)
    created_at, job_id = datetime.fromisoformat(content[0]), content[1]
    if created_at.tzinfo is None or not job_id.isascii() or len(job_id) > _LONGEST_ID or "\0" in job_id:
        raise ValueError(text)
    try:
        return created_at.astimezone(UTC), job_id
    except OverflowError as error:  # the first or the last day of the calendar, in another zone
        raise ValueError(text) from error
