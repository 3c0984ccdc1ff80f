"""``offtake erase``."""

from __future__ import annotations

import json
import sys
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from offtake.cli.installation import check_output_option, open_home, storage_checked
from offtake.cli.options import DEFAULT_HOME, HomeOption, JsonOption, TenantOption, operator_name, progress_bar, show
from offtake.core.admin.erasure.erase import ErasureOptions
from offtake.core.admin.erasure.erase import erase as erase_person
from offtake.core.admin.erasure.receipt import Receipt
from offtake.core.services import Services
from offtake.output_file import output_file

_FROM_STDIN = "-"


def erase(
    tenant: TenantOption,
    person: Annotated[
        str,
        typer.Option(
            metavar="VALUE",
            help="E-mail address, phone number with its country code (+420…), or id of a customer, author, owner of "
            "accounts or agent, as customer:ID if several have it. -: read it from standard input.",
        ),
    ],
    home: HomeOption = DEFAULT_HOME,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only search, and show what would be erased.")] = False,
    receipt: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the receipt to this file, as JSON. It names no person.")
    ] = None,
    cancel_running: Annotated[
        bool, typer.Option("--cancel-running", help="Cancel exports that read the rows as they were before.")
    ] = False,
    wait: Annotated[
        int, typer.Option(min=0, max=86_400, metavar="SECONDS", help="How long to wait for such exports to end.")
    ] = 600,
    as_json: JsonOption = False,
) -> None:
    """Erase a person: rows, files of exports, filters of stored requests, and the old versions of the lake.

    The ids that the person's rows lead to are followed. Rows are removed or blanked by the rules of the data model.
    Files of exports that hold or may hold the person are deleted. The command can be repeated if it was interrupted,
    and ends with a search that finds nothing. It cannot be undone; begin with --dry-run.
    """
    given = sys.stdin.readline().strip() if person == _FROM_STDIN else person
    if receipt is not None:
        check_output_option("--receipt", receipt, home)
    services = open_home(home)
    services.artifacts.check()
    options = ErasureOptions(dry_run=dry_run, cancel_running=cancel_running, wait=timedelta(seconds=wait))
    done = _erased(tenant, given, options, services)
    result = done.to_json() | {"dry_run": dry_run}
    if receipt is not None:
        _write_receipt(receipt, result)
    show(result, as_json, _text(result))


def _erased(tenant: str, person: str, options: ErasureOptions, services: Services) -> Receipt:
    with storage_checked(services), progress_bar("Erasing", "{task.fields[what]}") as progress:
        task = progress.add_task("parts", total=None, what="")
        try:
            return erase_person(
                tenant,
                person,
                operator_name(),
                services,
                options=options,
                progress=lambda what: progress.update(task, what=what),
            )
        except ValueError as error:
            raise typer.BadParameter(str(error), param_hint="--person") from error


def _write_receipt(path: Path, result: dict[str, Any]) -> None:
    with output_file(path) as file:
        file.write([json.dumps(result, indent=2), "\n"])
        file.publish()


def _text(result: dict[str, Any]) -> str:
    lines = []
    for found in result["tables"]:
        if found["rows_removed"] or found["rows_blanked"]:
            lines.append(f"{found['rows_removed']:>10,} removed {found['rows_blanked']:>10,} blanked  {found['table']}")
    lines += [f"export {each['job']}: files deleted ({each['reason']})" for each in result["artifacts"]]
    lines += [f"{count:>10,} records of {table}" for table, count in result["records"].items()]
    if result["dry_run"]:
        return "\n".join([*(lines or ["Nothing of this person was found."]), "Nothing was changed (--dry-run)."])
    lines.append(f"Receipt {result['receipt']}: the person is erased.")
    return "\n".join(lines)
