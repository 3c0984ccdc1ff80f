"""The dialect's words and the product's. The Loop contract marks where each comes from."""

from __future__ import annotations

from offtake.model.job import Status

NAME = "loop"
REPORT = "conversations"  # the slug of the dialect's only report, in the catalogue's wire.loop.toml

API = "/api/v1/report"  # documented; create is /export, read is /exports/{id} (Loop contract 1)
LINK = "/RF_"  # seen in a documented sample (Loop contract 8)
LARGEST_BODY = 1024 * 1024  # proposed (Loop contract 5.2, V16)

PROCESSING = "Processing"
COMPLETED = "Completed"
GONE = "PendingOrExpired"
GONE_LEGACY = "Expired"  # the word of the older of the two published lists

# Loop contract 7.2, proposed; the words are documented. None: the word is that of a setting.
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

TOO_LATE = 100_000_000_000  # seconds (the year 5138); a greater value is in milliseconds (Loop contract 5.2, V4)
LONGEST_ENTRY = 320  # characters (Loop contract 5.2, V11)
KEY_PATTERN = "^[!-~]{1,255}$"  # of an idempotency key (Loop contract 13)

COLUMNS_VERSION = 1  # of Loop contract 12.2; new columns are appended

# The filters in the sequence of Loop contract 5.1, and whether each holds e-mail addresses.
LISTS: dict[str, bool] = {"tagIds": False, "teamIds": False, "teammateIds": True, "customerIds": True}
