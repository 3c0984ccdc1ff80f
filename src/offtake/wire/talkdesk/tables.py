"""The dialect's words and the product's. The Talkdesk contract marks where each comes from."""

from __future__ import annotations

from offtake.model.job import Status
from offtake.model.tenant import Scope

NAME = "talkdesk"

# Talkdesk contract 3, all documented. An expired artifact is reported as deleted (proposed).
STATUS: dict[Status, str] = {
    Status.QUEUED: "created",
    Status.RUNNING: "processing",
    Status.UPLOADING: "uploading",
    Status.SUCCEEDED: "done",
    Status.FAILED: "failed",
    Status.CANCELLED: "canceled",  # American spelling, documented
    Status.EXPIRED: "deleted",
    Status.DELETED: "deleted",
}

# Talkdesk contract 2.2 and 5: the default is csv; json_bulk is one object a line (proposed).
FORMATS: dict[str, str] = {"csv": "csv", "json": "json", "json_bulk": "json_lines"}
FORMAT_WORDS: dict[str, str] = {name: word for word, name in FORMATS.items()}
DEFAULT_FORMAT = "csv"

# Talkdesk contract 1.3, documented and seen.
SCOPES: dict[str, Scope] = {"data-reports:read": Scope.READ, "data-reports:write": Scope.WRITE}

# Talkdesk contract 5.1, documented for calls and user_status, proposed for the other reports.
FILE_VERSION = "v1"

# Talkdesk contract 1.2. The server has no login pages, so it does not offer authorization_code (decision).
TOKEN_PATH = "/oauth/token"  # noqa: S105 - a path
CLIENT_CREDENTIALS = "client_credentials"
REFRESH_TOKEN = "refresh_token"  # noqa: S105 - a word of the protocol
GRANTS = (CLIENT_CREDENTIALS, REFRESH_TOKEN)
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
SHORTEST_SERVICE, LONGEST_SERVICE = 86_400, 31_556_952  # seconds an opaque service token may live, documented
