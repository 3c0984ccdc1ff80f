"""The dialect's words."""

from __future__ import annotations

NAME = "sharing"
API = "/delta-sharing"
LARGEST_BODY = 256 * 1024  # bytes: hints of predicates may be long
NDJSON = "application/x-ndjson"
VERSION_HEADER = "delta-table-version"
CAPABILITIES_HEADER = "delta-sharing-capabilities"
