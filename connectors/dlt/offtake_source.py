"""A dlt source of Offtake: every report is a table, merged on the key of the report.

    pipeline = dlt.pipeline("offtake", destination="duckdb", dataset_name="care")
    pipeline.run(offtake(reports=["calls", "contacts"], start="2026-01-01"))

Needs dlt and offtake-client[arrow].
"""

import json
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from typing import Any, Optional

import dlt
import pyarrow as pa
from offtake_client import Offtake


@dlt.source(name="offtake")
def offtake(
    reports: Sequence[str],
    start: str,
    lag_hours: float = 24,
    url: str = dlt.config.value,
    token: str = dlt.secrets.value,
) -> Iterator[Any]:
    """Load reports from ``start`` on, later runs from the newest event of the run before, less ``lag_hours``.

    Rows that arrived late, or that have changed, are in the lag; merging replaces them by their key. A report without
    an event time (``window``), or with values that depend on the timespan, is replaced as a whole.
    ``pipeline.run(…, refresh="drop_sources")`` loads all again.
    """
    client, first = Offtake(url, token=token), datetime.fromisoformat(start.replace("Z", "+00:00"))
    first = first if first.tzinfo else first.replace(tzinfo=timezone.utc)
    for report in map(client.describe, reports):
        grows = report.window and not any(column.varies for column in report.columns)
        cursor = dlt.sources.incremental(report.window, initial_value=first, lag=lag_hours * 3600) if grows else None
        yield dlt.resource(
            _rows,
            name=report.name,
            primary_key=report.key,
            write_disposition="merge" if cursor else "replace",
            columns={column.name: {"data_type": "json"} for column in report.columns if column.type == "list"},
        )(client, report.name, first, cursor)


def _rows(
    client: Offtake, report: str, start: datetime, cursor: Optional[dlt.sources.incremental[datetime]] = None
) -> Iterator[pa.Table]:
    """Iterate over the rows until now, in batches. A list is JSON; every column may have nulls in a later batch."""
    start = cursor.start_value if cursor else start
    export = client.export(report, start=start, end=datetime.now(timezone.utc), format="parquet")
    for batch in export.iter_batches():
        table = pa.Table.from_batches([batch])
        for index, field in enumerate(table.schema):
            if pa.types.is_list(field.type):
                texts = [None if value is None else json.dumps(value) for value in table[index].to_pylist()]
                table = table.set_column(index, field.name, pa.array(texts, pa.string()))
        yield table.cast(pa.schema([field.with_nullable(True) for field in table.schema]))
