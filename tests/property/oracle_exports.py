"""Exports as the cases of oracles ask for them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from offtake.core.query import server_audit
from tests.property.exporting import Export, Stored, catalogue
from tests.property.oracles.report_oracle import ExportCase, ReportOracle


@contextmanager
def exported(here: Stored, oracle: ReportOracle, case: ExportCase) -> Iterator[Export]:
    """Yield the export that the case asks for; it knows what the server recorded, if the report reads that."""
    with here.export(
        oracle.report,
        case.care,
        case.timespan,
        as_of=case.asked_at,
        dialect=oracle.dialect,
        parameters=case.parameters,
    ) as export:
        if catalogue().reports[oracle.report].server_audit:
            server_audit.fill(export.session, case.server_audit)
        yield export
