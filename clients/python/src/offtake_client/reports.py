"""Reads what the caller may export: reports, limits and usage."""

from __future__ import annotations

from urllib.parse import quote

from offtake_client.documents import Limits, Report, ReportList, ReportSummary, Usage
from offtake_client.effects import Flow
from offtake_client.session import Session


def reports(session: Session) -> Flow[list[ReportSummary]]:
    """Return the reports that the caller may export, sorted by name."""
    found = yield from session.get(ReportList, "/reports")
    return list(found.reports)


def describe(session: Session, report: str) -> Flow[Report]:
    """Return the columns and parameters of a report. Raises NotFound."""
    return (yield from session.get(Report, f"/reports/{quote(report, safe='')}"))


def limits(session: Session) -> Flow[Limits]:
    """Return what the caller may export and keep."""
    return (yield from session.get(Limits, "/limits"))


def usage(session: Session) -> Flow[Usage]:
    """Return what the account uses of its limits."""
    return (yield from session.get(Usage, "/usage"))
