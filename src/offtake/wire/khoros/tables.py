"""The dialect's words and the product's. The Khoros contract marks where each comes from."""

from __future__ import annotations

from offtake.model.job import Status
from offtake.model.request import Selection

NAME = "khoros"
ROOT = "/api/public"
CARE_ROOT = "/api/v2"  # the lookups on the tenant's own instance (Khoros contract 1.3)

# Khoros contract 4.2: runnerState and detail; only these three pairs are documented. A cancelled run is reported as
# failed. A run whose file was removed is reported as completed with a blank downloadUrl.
STATES: dict[Status, tuple[str, str]] = {
    Status.QUEUED: ("RUNNING", ""),
    Status.RUNNING: ("RUNNING", ""),
    Status.UPLOADING: ("RUNNING", ""),
    Status.SUCCEEDED: ("CLOSED", "COMPLETED"),
    Status.FAILED: ("CLOSED", "FAILED"),
    Status.CANCELLED: ("CLOSED", "FAILED"),
    Status.EXPIRED: ("CLOSED", "COMPLETED"),
    Status.DELETED: ("CLOSED", "COMPLETED"),
}

# Khoros contract 1.5, documented; in any letter case (proposed, because the vendor's samples mix them).
FORMATS: dict[str, str] = {"json": "json", "csv": "csv"}
DEFAULT_FORMAT = "json"
SELECTIONS: dict[str, Selection] = {
    "OPEN_AT_END": Selection.OPEN_AT_END,
    "CLOSED": Selection.CLOSED,
    "CREATED": Selection.CREATED,
}
PRIORITIES = frozenset("012345")

# Khoros contract 5.2, documented.
LANGUAGES = ("en", "es", "fr", "de", "tr")

# Khoros contract 5.4, documented: milliseconds; an interval above the longest means calendar months.
INTERVALS = frozenset(
    {
        300_000,
        600_000,
        900_000,
        1_800_000,
        3_600_000,
        7_200_000,
        14_400_000,
        28_800_000,
        43_200_000,
        86_400_000,
        604_800_000,
    }
)
WEEK = 604_800_000

# Khoros contract 6: the export without a longest timespan (a vendor's sample of it ends in the year 2503).
UNBOUNDED = frozenset({"user"})
