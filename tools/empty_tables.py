"""Write what is missing from reports if a table is empty (``if_empty`` in ``report.toml``), as their cases show it.

``python tools/empty_tables.py [NAME]...``: the built-in reports with these names; default: all.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from offtake.catalogue import BUILT_IN
from offtake.catalogue.load import Catalogue, load_catalogue
from offtake.core.report_cases.case import cases_of
from offtake.core.report_cases.empty_tables import Trial, add_case, inline_table
from offtake.core.report_cases.run import fill
from offtake.lake.tables import tables
from offtake.wire.presentations import PRESENTATIONS

_USE = re.compile(r'^    \{ table = "(?P<table>\w+)", prune = "(?P<prune>\w+)".*\},(?P<comment> #.*)?$', re.MULTILINE)


def main() -> None:
    """Write the files."""
    catalogue = load_catalogue(
        BUILT_IN,
        tables={name: dict(table.stored_columns) for name, table in tables().items()},
        dialects=list(PRESENTATIONS),
    )
    for name in sys.argv[1:] or sorted(catalogue.reports):
        path = BUILT_IN / name / "report.toml"
        path.write_text(_with_declarations(path.read_text("utf-8"), _declarations(name, catalogue)), "utf-8")
        sys.stdout.write(f"{name}\n")


def _declarations(name: str, catalogue: Catalogue) -> Mapping[str, str]:
    columns = [column.name for column in catalogue.reports[name].columns]
    trials: dict[str, Trial] = {}
    for case in cases_of(name, BUILT_IN / name):
        with TemporaryDirectory() as folder:
            add_case(trials, fill(case, catalogue, Path(folder)))
    return {table: inline_table(trial.result(columns)) for table, trial in trials.items()}


def _with_declarations(text: str, declarations: Mapping[str, str]) -> str:
    def line(found: re.Match[str]) -> str:
        declared = declarations.get(found["table"])
        if_empty = "" if declared is None else f", if_empty = {declared}"
        comment = found["comment"] or ""
        return f'    {{ table = "{found["table"]}", prune = "{found["prune"]}"{if_empty} }},{comment}'

    return _USE.sub(line, text)


if __name__ == "__main__":
    main()
