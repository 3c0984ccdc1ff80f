"""Discovery: the reports, their columns and parameters."""

from __future__ import annotations

from collections.abc import Collection

from fastapi import APIRouter

from offtake.errors import UnknownReport
from offtake.model.column_filter import operators
from offtake.model.column_type import ColumnType
from offtake.model.report import Column, Report, TableUse
from offtake.wire.native.auth import NativeCall
from offtake.wire.native.report_documents import (
    ColumnDocument,
    DialectDocument,
    IfEmptyDocument,
    ParameterDocument,
    ReportDocument,
    ReportList,
    ReportSummary,
    TableDocument,
)
from offtake.wire.native.requests import find_report, public_parameters, visible_columns, visible_reports
from offtake.wire.native.responses import problems
from offtake.wire.native.route import NativeRoute, Reader
from offtake.wire.native.schema import parameter_schema
from offtake.wire.native.tables import API, FORMATS

routes = APIRouter(
    prefix=f"{API}/reports",
    tags=["reports"],
    route_class=NativeRoute,
    generate_unique_id_function=lambda route: route.name,
)
_UNITS = {ColumnType.SECONDS: "s", ColumnType.MILLISECONDS: "ms"}
_TOGETHER = "Together they have the rows of the whole timespan, each once."


@routes.get("", summary="List the reports.", responses=problems())
def list_reports(call: Reader) -> ReportList:
    """Return the reports that the caller may export, sorted by name."""
    catalogue, principal = call.on.catalogue, call.by.principal
    return ReportList(
        reports=[_summary(catalogue.reports[name], call) for name in visible_reports(catalogue, principal)]
    )


@routes.get("/{name}", summary="Describe a report.", responses=problems(404))
def describe_report(name: str, call: Reader) -> ReportDocument:
    """Return the columns, parameters and tables of a report."""
    report = find_report(name, call.on.catalogue, call.by.principal)
    if report is None:
        raise UnknownReport("There is no such report; GET /v1/reports lists them.")
    visible = visible_columns(report, call.by.principal)
    return ReportDocument(
        name=report.name,
        title=report.title,
        grain=report.grain,
        version=report.version,
        window=report.window,
        consecutive=report.consecutive or _TOGETHER,
        key=list(report.key),
        columns=[_column(column, report) for column in visible],
        parameters=[_parameter(each) for each in public_parameters(report)],
        tables=[_table(use, {column.name for column in visible}) for use in report.tables],
        dialects=[
            DialectDocument(dialect=dialect, name=item.slug)
            for (dialect, published), item in sorted(call.on.catalogue.publications.items())
            if published == report.name
        ],
        formats=list(FORMATS),
        url=_url(report, call),
    )


def _summary(report: Report, call: NativeCall) -> ReportSummary:
    return ReportSummary(
        name=report.name,
        title=report.title,
        grain=report.grain,
        version=report.version,
        columns=len(visible_columns(report, call.by.principal)),
        url=_url(report, call),
    )


def _column(column: Column, report: Report) -> ColumnDocument:
    return ColumnDocument(
        name=column.name,
        type=column.type,
        unit=_UNITS.get(column.type),
        meaning=column.meaning,
        personal=column.personal,
        nullable=column.nullable,
        key=column.name in report.key,
        varies=column.varies,
        operators=[each.value for each in operators(column.type)],
    )


def _table(use: TableUse, visible: Collection[str]) -> TableDocument:
    """Describe a table that a report reads, with those of its columns that the caller may receive."""
    found = use.if_empty
    return TableDocument(
        name=use.table,
        reads=use.prune.value,
        if_empty=found
        and IfEmptyDocument(
            rows=found.rows,
            null=[name for name in found.null if name in visible],
            other=[name for name in found.other if name in visible],
        ),
    )


def _parameter(name: str) -> ParameterDocument:
    schema = parameter_schema(name)
    ignored = {"title", "default", "description"}
    accepts = {key: value for key, value in schema.items() if key not in ignored}
    return ParameterDocument(name=name, meaning=str(schema.get("description", "")), accepts=accepts)


def _url(report: Report, call: NativeCall) -> str:
    return call.absolute(f"{API}/reports/{report.name}")
