"""Exact decimals of a Parquet file, and how Delta Sharing declares them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from offtake.formats.parquet_footer import decimal_columns
from offtake.model.manifest import ManifestColumn
from offtake.wire.sharing.responses import schema_string


def test_exact_decimals_are_found_in_the_footer_and_declared(tmp_path: Path) -> None:
    path = tmp_path / "charges.parquet"
    columns = {
        "charge": pa.array([Decimal("1.250")] * 100_000, pa.decimal128(12, 3)),
        "minutes": pa.array([0.5] * 100_000),
    }
    pq.write_table(pa.table(columns), path, row_group_size=1000, use_dictionary=False, compression="none")
    content, read_bytes = path.read_bytes(), 0

    def read(start: int, end: int) -> Iterator[bytes]:
        nonlocal read_bytes
        read_bytes += end - start
        yield from (content[start : (start + end) // 2], content[(start + end) // 2 : end])

    decimals = decimal_columns(read, len(content))
    assert decimals == {"charge": (12, 3)}
    assert read_bytes < len(content) / 10
    manifest = [
        ManifestColumn(name=name, source=name, type="decimal", meaning="", unit=None, personal=False)
        for name in columns
    ]
    fields = json.loads(schema_string(manifest, decimals))["fields"]
    assert {field["name"]: field["type"] for field in fields} == {"charge": "decimal(12,3)", "minutes": "double"}
