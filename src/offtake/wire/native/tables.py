"""The dialect's words and the product's."""

from __future__ import annotations

NAME = "native"
API = "/v1"
PROBLEM_MEDIA = "application/problem+json"  # RFC 9457
LARGEST_BODY = 1024 * 1024  # bytes: a filter may have many values

# Words of the wire for formats (``formats.FORMATS``).
FORMATS: dict[str, str] = {
    "parquet": "parquet",
    "arrow": "arrow",
    "csv": "csv",
    "ndjson": "json_lines",
    "json": "json",
    "xlsx": "xlsx",
}
FORMAT_WORDS: dict[str, str] = {name: word for word, name in FORMATS.items()}
