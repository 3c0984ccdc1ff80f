"""`make reference`: write the pages of the manual that are generated from the code.

With ``--check`` it writes nothing and fails if a page is out of date; a test runs it so.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from enum import Enum
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import typer.main
from offtake_client.cli import app as client_app
from offtake_client.cli.exits import EXITS as CLIENT_EXITS

from offtake.catalogue import BUILT_IN
from offtake.catalogue.load import Catalogue, load_catalogue
from offtake.cli import app
from offtake.cli.exits import EXITS
from offtake.core.sources.settings import SourceSettings
from offtake.engine.plan import bound_values
from offtake.lake.ingest.spellings import SPELLINGS
from offtake.lake.tables import TableColumn, tables
from offtake.model.report import Publication, Report
from offtake.settings import PREFIX, REQUIRED, rows, rows_of_table
from offtake.wire.presentations import PRESENTATIONS
from reference_native import native_page

FOLDER = Path(__file__).parents[1] / "docs" / "reference"
_KINDS = {str: "TEXT", int: "INTEGER", Path: "PATH", datetime: "DATE", float: "number"}
_GENERATED = "<!-- Made by `make reference` from the code; change it there. -->"


def cli_page() -> str:
    """Return the page of all commands of the server, their options and the exit codes."""
    intro = (
        "`offtake COMMAND --help` prints the same text. Results go to standard output, as one JSON object with"
        " `--json`; progress, messages and logs go to standard error. `offtake --version` prints the version."
        " `offtake client` has the [commands of the client](client-cli.md), if `offtake-client` is installed."
    )
    server = typer.main.get_command(app)
    commands = [each for each in _commands("offtake", server) if not each[0].startswith("offtake client ")]
    return _commands_page("Commands and exit codes", intro, commands, EXITS)


def client_page() -> str:
    """Return the page of all commands of the client."""
    intro = (
        "`offtake-client COMMAND --help` prints the same text. Results go to standard output, as one JSON object with"
        " `--json`; progress and messages go to standard error, and are omitted with `--quiet`. Progress is shown on a"
        " terminal only. `offtake-client --install-completion` adds completion to your shell. [Download an export with"
        " Python](../how-to/download-with-python.md) shows the library and the commands by example."
    )
    commands = list(_commands("offtake-client", typer.main.get_command(client_app)))
    return _commands_page("Commands of the client", intro, commands, CLIENT_EXITS)


def _commands_page(title: str, intro: str, commands: Sequence[tuple[str, Any]], exits: Mapping[int, str]) -> str:
    lines = [f"# {title}", "", _GENERATED, "", intro]
    for name, command in commands:
        lines += ["", f"## {name}", "", f"`{_usage(name, command)}`", "", (command.help or "").strip()]
        options = [parameter for parameter in command.params if parameter.param_type_name == "option"]
        shown = [option for option in options if not option.hidden and option.name != "help"]
        lines += ["", "| option | meaning | default |", "| --- | --- | --- |"]
        lines += [f"| {_spelling(option)} | {_cell(option.help)} | {_default(option)} |" for option in shown]
    lines += ["", "## Exit codes", "", "| code | meaning |", "| --- | --- |"]
    lines += [f"| {code} | {meaning} |" for code, meaning in exits.items()]
    return "\n".join(lines) + "\n"


def settings_page() -> str:
    """Return the page of all options of ``offtake.toml``."""
    lines = [
        "# Settings",
        "",
        _GENERATED,
        "",
        "The file `offtake.toml` in the home folder contains the settings, one table per section. An environment"
        f" variable overrides the file (`{PREFIX}WORKER__THREADS=4` sets `threads` of `[worker]`), and a command-line"
        " option overrides both. `offtake config show` prints the effective values. Offtake does not start if the file"
        " contains an option that is not listed here.",
        "",
        "A tenant can have its own values for the options of a dialect and of `[budget]`, in the file only:"
        " `[tenants.acme.talkdesk]` with `open_jobs = 30` doubles the default quota of the tenant acme. Options that"
        " this table omits have the values of `[talkdesk]`.",
    ]
    section: str | None = None
    for name, option, default, description, _ in rows():
        if name != section:
            heading = f"[{name}]" if name else "Top level, before the first section"
            lines += ["", f"## {heading}", "", "| option | default | meaning |", "| --- | --- | --- |"]
            section = name
        lines.append(_option_row(option, default, description))
    lines += [
        "",
        "## [sources.&lt;name&gt;]",
        "",
        "One table per [source](../how-to/load-your-own-data.md#load-regularly), with a name of yours: small letters,"
        " digits, `-` and `_`. Sources are in the file only; no environment variable sets their options.",
        "",
        "| option | default | meaning |",
        "| --- | --- | --- |",
    ]
    lines += [
        _option_row(option, default, description) for option, default, description, _ in rows_of_table(SourceSettings)
    ]
    return "\n".join(lines) + "\n"


def _option_row(option: str, default: object, description: str) -> str:
    shown = "required" if default is REQUIRED else "" if default is None else f"`{json.dumps(default)}`"
    return f"| `{option}` | {shown} | {_cell(description)} |"


def tables_page() -> str:
    """Return the page of the care data model."""
    lines = [
        "# Care data model",
        "",
        _GENERATED,
        "",
        "The tables of the lake, as `src/offtake/lake/tables.toml` defines them. Every table also has the column"
        " `tenant`. Instants are in UTC; ids are text.",
        "",
        "The properties of a column: *required* columns are never null, *personal* columns identify a person or lead to"
        " a person's words or voice, and an arrow names the table that an id refers to. A load refuses a row that"
        " violates a rule of its columns; *Not before* another column of the row applies if both have values. [The"
        " lake](lake.md) describes what a load does.",
    ]
    lines += ["", "## Values", "", "How the values of each type are written in files; an empty field of CSV is null."]
    lines += ["", "| type | CSV | NDJSON | Parquet | examples in CSV |", "| --- | --- | --- | --- | --- |"]
    for column_type, spelling in SPELLINGS.items():
        examples = ", ".join(f"`{example}`" for example in spelling.examples)
        lines.append(f"| {column_type} | {spelling.csv} | {spelling.json} | {spelling.parquet} | {examples} |")
    for table in tables().values():
        stored = f"by month of `{table.event_time}`" if table.event_time else "as a whole"
        key = ", ".join(f"`{name}`" for name in table.key)
        lines += ["", f"## {table.name}", "", f"{table.meaning} A {table.kind.value}, stored {stored}. Key: {key}."]
        lines += ["", "| column | type | properties | meaning |", "| --- | --- | --- | --- |"]
        for column in table.columns:
            marks = ["required"] if column.name in table.not_null else []
            marks += ["personal"] if column.personal else []
            marks += [f"→ {column.references}"] if column.references else []
            lines.append(f"| `{column.name}` | {column.type.value} | {', '.join(marks)} | {_cell(_meaning(column))} |")
    return "\n".join(lines) + "\n"


def _meaning(column: TableColumn) -> str:
    """Return a column's meaning and its constraints."""
    rules = [f"One of {', '.join(column.values)}."] if column.values else []
    rules += [f"At least {column.minimum}."] if column.minimum is not None else []
    rules += [f"Not before `{column.not_before}`."] if column.not_before else []
    rules += ["A [filter expression](smart-views.md)."] if column.syntax else []
    return " ".join([column.meaning, *rules])


def reports_page() -> str:
    """Return the page that lists all reports."""
    lines = [
        "# Reports",
        "",
        _GENERATED,
        "",
        "All built-in reports, with the name of each report in each dialect. The grain of a report is what one row is."
        " `offtake report list` prints the built-in reports and your own.",
        "",
        "| report | published as | columns | grain |",
        "| --- | --- | --- | --- |",
    ]
    for name, report in sorted(_catalogue().reports.items()):
        slugs = ", ".join(f"{item.dialect} `{item.slug}`" for item in _published(name))
        lines.append(f"| [{name}](reports/{name}.md) | {slugs} | {len(report.columns)} | {_cell(report.grain)} |")
    return "\n".join(lines) + "\n"


def report_page(name: str) -> str:
    """Return the page of one report: grain, key, window, parameters, columns, and their names in each dialect."""
    report = _catalogue().reports[name]
    window = f"`{report.window}`" if report.window else "none; the timespan does not select rows by one column"
    lines = [f"# {report.title}", "", _GENERATED, "", f"`{name}`. {report.grain}", ""]
    lines.append("- Key: " + ", ".join(f"`{column}`" for column in report.key))
    lines.append(f"- [Window](../report-folder.md#reporttoml): {window}")
    together = report.consecutive or "Together they have the rows of the whole timespan, each once."
    lines.append(f"- Exports of consecutive timespans: {together}")
    if report.parameters:
        lines.append("- Parameters: " + ", ".join(f"`{parameter}`" for parameter in report.parameters))
    lines.append(f"- [Reconciled](../report-folder.md#countsql): {_reconciled(report)}")
    lines += [
        "",
        "A timespan includes its start and excludes its end. The properties of a column are the"
        " [mark](../contracts/README.md#marks) of its evidence, *never null*, *personal* for personal data, and"
        " *varies* if the value depends on the bounds of the timespan. All other values are those that are now in the"
        " lake, so that a row is the same in every timespan that has it. A column without *never null* is null if the"
        " lake has no value for it; its meaning names other cases.",
        "",
        "| column | type | properties | meaning |",
        "| --- | --- | --- | --- |",
    ]
    for column in report.columns:
        marks = [column.mark.value] + ([] if column.nullable else ["never null"])
        marks += ["personal"] if column.personal else []
        marks += ["varies"] if column.varies else []
        marks += [f"{column.decimals} decimals"] if column.decimals is not None else []
        lines.append(f"| `{column.name}` | {column.type.value} | {', '.join(marks)} | {_cell(column.meaning)} |")
    for item in _published(name):
        lines += _published_lines(item)
    return "\n".join(lines) + "\n"


def _reconciled(report: Report) -> str:
    """Return which rows are counted without joins, and which parameters of a request the count does not apply."""
    if report.count is None:
        return "no; only the joins of the query tell the number of its rows."
    bound = bound_values(report.count.sql)
    without = [f"`{name}`" for name in report.parameters if name not in bound]
    return f"{report.count.what}{f'; not if the request sets {_alternatives(without)}' if without else ''}."


def _alternatives(words: Sequence[str]) -> str:
    *others, last = words
    return f"{', '.join(others)} or {last}" if others else last


def _published_lines(item: Publication) -> list[str]:
    aliases = f" (also {', '.join(f'`{alias}`' for alias in item.aliases)})" if item.aliases else ""
    lines = [
        "",
        f"## {item.title} in {item.dialect.capitalize()}",
        "",
        f"Published as `{item.slug}`{aliases}.{_sorted(item)}",
        "",
    ]
    lines += ["| name | column | rendering | notes |", "| --- | --- | --- | --- |"]
    for column in item.columns:
        notes = [f"header: {column.label}"] if column.label else []
        notes += ["not in the vendor's newest payloads"] if column.legacy else []
        notes += ["only if the request names it"] if column.hidden else []
        notes += [f"only in {', '.join(column.formats)}"] if column.formats else []
        cells = (f"`{column.name}`", f"`{column.source}`", f"`{column.rendering.value}`", _cell("; ".join(notes)))
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _sorted(item: Publication) -> str:
    return f" Rows are sorted by {', '.join(f'`{name}`' for name in item.order)}." if item.order else ""


@lru_cache(maxsize=1)
def _catalogue() -> Catalogue:
    return load_catalogue(
        BUILT_IN,
        tables={name: dict(table.stored_columns) for name, table in tables().items()},
        dialects=list(PRESENTATIONS),
    )


def _published(report: str) -> list[Publication]:
    found = sorted(_catalogue().publications.items())
    return [item for (_, name), item in found if name == report]


def _pages() -> dict[str, Callable[[], str]]:
    whole: dict[str, Callable[[], str]] = {
        "cli.md": cli_page,
        "client-cli.md": client_page,
        "settings.md": settings_page,
        "tables.md": tables_page,
        "reports.md": reports_page,
    }
    whole["native.md"] = partial(native_page, _GENERATED)
    return whole | {f"reports/{name}.md": partial(report_page, name) for name in _catalogue().reports}


PAGES = _pages()


def main() -> int:
    """Write the pages that are out of date, or list them with ``--check``."""
    stale = [name for name, page in PAGES.items() if _read(FOLDER / name) != page()]
    if "--check" in sys.argv[1:]:
        print("\n".join(f"docs/reference/{name} is out of date: make reference" for name in stale))
        return 1 if stale else 0
    for name in stale:
        (FOLDER / name).parent.mkdir(exist_ok=True)
        (FOLDER / name).write_text(PAGES[name](), encoding="utf-8")
        print(f"wrote docs/reference/{name}")
    return 0


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def _commands(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    """Yield every command; groups are descended into and not yielded."""
    inner = getattr(command, "commands", None)
    if inner is None:
        yield name, command
        return
    for word, child in inner.items():
        yield from _commands(f"{name} {word}", child)


def _usage(name: str, command: Any) -> str:
    arguments = [parameter for parameter in command.params if parameter.param_type_name == "argument"]
    words = [argument.name.upper() + ("…" if argument.nargs == -1 else "") for argument in arguments]
    return " ".join([name, *words, "[OPTIONS]"])


def _spelling(option: Any) -> str:
    value_type = "" if option.is_bool_flag else " " + _value_type(option.type_descriptor.annotation)
    return f"`{'`, `'.join(option.opts)}{value_type}`"


def _value_type(annotation: Any) -> str:
    """Return the placeholder of a value: its choices, or the name of its type."""
    if get_origin(annotation) is Literal:
        return "\\|".join(get_args(annotation))
    inner = next(iter(get_args(annotation)), annotation)
    if issubclass(inner, Enum):
        return "\\|".join(member.value for member in inner)
    return _KINDS[inner]


def _default(option: Any) -> str:
    if option.required:
        return "required"
    if option.is_bool_flag or option.default in (None, ()):
        return ""
    return f"`{option.default}`"


def _cell(text: str | None) -> str:
    return (text or "").replace("|", "\\|")


if __name__ == "__main__":
    sys.exit(main())
