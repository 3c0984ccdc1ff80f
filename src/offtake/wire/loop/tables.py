"""The dialect's words for the product's own values; the Loop contract says where each comes from."""

from __future__ import annotations

from offtake.model.job import Status

NAME = "loop"
REPORT = "conversations"  # how the catalogue's wire.loop.toml calls the one report there is

API = "/api/v1/report"  # documented; create is /export, read is /exports/{id} (Loop contract 1)
LINK = "/RF_"  # documented by a sample (Loop contract 8)
LARGEST_BODY = 1024 * 1024  # proposed (Loop contract 5.2, V16)

PROCESSING = "Processing"
COMPLETED = "Completed"
GONE = "PendingOrExpired"
GONE_LEGACY = "Expired"  # what the older of the two published lists has instead

# Loop contract 7.2, proposed; the words are documented. What is gone is worded by a setting.
STATUS: dict[Status, str | None] = {
    Status.QUEUED: PROCESSING,
    Status.RUNNING: PROCESSING,
    Status.UPLOADING: PROCESSING,
    Status.SUCCEEDED: COMPLETED,
    Status.FAILED: "Failed",
    Status.CANCELLED: "Failed",
    Status.EXPIRED: None,
    Status.DELETED: None,
}

# Loop contract 5.1: the words are documented; the default is proposed, the vendor does not state it.
FORMATS: dict[str, str] = {"Json": "json", "Xlsx": "xlsx"}
DEFAULT_FORMAT = "Json"

TOO_LATE = 100_000_000_000  # seconds: in the year 5138; whoever sends that means milliseconds (Loop contract 5.2, V4)
LONGEST_ENTRY = 320  # characters (Loop contract 5.2, V11)
KEY_PATTERN = "^[!-~]{1,255}$"  # of an idempotency key (Loop contract 13)

COLUMNS_VERSION = 1  # of Loop contract 12.2, which only ever grows at its end

# The filters (Loop contract 5.1), in the order of the documents, and whether each holds e-mail addresses.
LISTS: dict[str, bool] = {"tagIds": False, "teamIds": False, "teammateIds": True, "customerIds": True}
