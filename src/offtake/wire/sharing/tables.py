"""The dialect's words."""

from __future__ import annotations

NAME = "sharing"
API = "/delta-sharing"
LARGEST_BODY = 256 * 1024  # bytes: hints of predicates may be long
NDJSON = "application/x-ndjson"
VERSION_HEADER = "delta-table-version"
# A parameter by which readers of the format delta recognise a presigned URL: "signed permission: read", as in Azure's
# signatures. The server ignores it. Without it, they look for the file in the local file system.
SIGNED_MARK = "sp=r"
CAPABILITIES_HEADER = "delta-sharing-capabilities"
