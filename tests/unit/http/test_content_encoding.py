"""The Accept-Encoding header, and gzip of a stream."""

from __future__ import annotations

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offtake.http.content_encoding import accepts_gzip, compress


@pytest.mark.parametrize(
    ("header", "accepted"),
    [
        ("gzip", True),
        ("GZIP", True),
        ("x-gzip", True),
        ("deflate, gzip;q=1.0, *;q=0.5", True),
        ("br;q=1, gzip ; q=0.2", True),
        ("identity;q=0.5, gzip;q=0.5", True),
        ("", False),
        ("*", False),
        ("identity", False),
        ("br, deflate", False),
        ("gzip;q=0", False),
        ("gzip;q=0.000", False),
        ("gzip;q=0.1, identity;q=0.9", False),
        ("gzip;q=2", False),
        ("gzip, gzip;q=0", False),
        ("gzipped", False),
    ],
)
def test_whether_a_header_accepts_gzip(header: str, accepted: bool) -> None:
    """RFC 9110 12.5.3."""
    assert accepts_gzip(header) is accepted


@given(st.lists(st.binary(max_size=300).map(lambda each: each * 50), max_size=5))
def test_a_compressed_stream_is_decompressed_to_the_same_bytes(chunks: list[bytes]) -> None:
    assert gzip.decompress(b"".join(compress(iter(chunks)))) == b"".join(chunks)
