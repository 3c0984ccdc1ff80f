"""The command sql: statements that load an export into a warehouse."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from offtake_client.cli.options import JsonOption, ProfileOption, QuietOption, connect
from offtake_client.cli.output import Output
from offtake_client.documents import Manifest
from offtake_client.download.manifests import SUFFIX, load_manifest, manifests_in
from offtake_client.errors import InvalidTarget, UnknownOption
from offtake_client.files import disk_errors, write_private
from offtake_client.warehouses import WarehouseName, load_script


def sql(
    warehouse: Annotated[
        WarehouseName,
        typer.Argument(help="The warehouse that runs the SQL.", show_default=False),
    ],
    export: Annotated[
        str,
        typer.Argument(
            help="A folder that offtake-client get wrote, a manifest in it, or the id of a finished export."
        ),
    ],
    table: Annotated[
        str | None,
        typer.Option("--table", help="Name of the table, such as care.calls; by default the name of the report."),
    ] = None,
    location: Annotated[
        str | None,
        typer.Option(
            "--location",
            help="Where the warehouse finds the files: a bucket, a stage or a path, such as s3://care/calls."
            " DuckDB and PostgreSQL read the folder itself by default.",
        ),
    ] = None,
    access: Annotated[
        str | None,
        typer.Option(
            "--access", help="In Snowflake, the storage integration; in Redshift, the ARN of the role that reads S3."
        ),
    ] = None,
    types: Annotated[
        list[str],
        typer.Option("--type", help="Another SQL type for a column, as column=DECIMAL(18, 4). Repeatable."),
    ] = [],  # noqa: B006 - typer copies it
    output_file: Annotated[
        Path | None, typer.Option("--output", "-o", help="File of the script, instead of standard output.")
    ] = None,
    profile: ProfileOption = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Print SQL that creates a table and loads an export into it.

    The table has the columns of the manifest with their types, and their meanings as comments; the statements name the
    files of the manifest. Nothing is executed. PostgreSQL loads CSV, in a script for psql; the others load Parquet.
    """
    output = Output(json, quiet)
    manifest, folder = _manifest(export, profile, output)
    found_at = location or (str(folder.resolve()) if folder else "")
    if not found_at:
        raise UnknownOption(
            f"The files of {manifest.export} may be anywhere.", "Name the folder, the bucket or the stage: --location."
        )
    script = load_script(manifest, warehouse, location=found_at, table=table, access=access, types=_types(types))
    if output_file is None:
        output.result(script, script.text.rstrip("\n"))
        return
    with disk_errors(output_file):
        write_private(output_file, script.text.encode())
    output.result(script, f"{output_file}: creates {script.table} and loads {len(script.files)} files.")


def _manifest(export: str, profile: str | None, output: Output) -> tuple[Manifest, Path | None]:
    """Return the manifest of a folder, a file or an id, and the folder of its files, if one is known."""
    path = Path(export)
    if path.is_file() or export.endswith(SUFFIX):
        return load_manifest(path).manifest, path.parent
    if not path.is_dir():
        if "/" in export:
            raise InvalidTarget(f"There is no folder {export}.", "offtake-client get writes one.")
        with connect(profile, output) as offtake:
            return offtake.find_export(export).manifest(), None
    found = list(manifests_in(path))
    if len(found) != 1:
        names = ", ".join(str(path / f"{each.manifest.export}{SUFFIX}") for each in found) or "none"
        raise InvalidTarget(f"{export} has {len(found)} manifests instead of one: {names}.", "Name one of the files.")
    return found[0].manifest, path


def _types(given: list[str]) -> dict[str, str]:
    found = {}
    for text in given:
        name, equals, sql_type = text.partition("=")
        if not equals or not name or not sql_type.strip():
            raise UnknownOption(f"--type {text} has no column or no type.", "Write column=TYPE.")
        found[name] = sql_type.strip()
    return found
