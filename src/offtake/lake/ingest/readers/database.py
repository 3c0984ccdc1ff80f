"""Reads the rows of a query from a database.

PostgreSQL has an Arrow driver (ADBC), so its columns keep their types. The drivers of the others yield Python values,
which become text as in CSV: a column of SQLite may hold values of any type. Every driver streams the rows. Messages of
drivers may quote the URL, so the password is taken out of them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from importlib import import_module
from itertools import count
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from offtake.errors import LakeError
from offtake.lake.ingest.inputs.input_file import InputFile
from offtake.lake.ingest.readers.batches import batch_source, numbered
from offtake.lake.ingest.readers.source import ReaderOptions, Source, SourceFormat
from offtake.lake.ingest.readers.texts import text_batches, text_schema
from offtake.lake.staging import Staging

_FETCHED_ROWS = 1_000
_EXTRAS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {"mysql": ("MySQL", "offtake[mysql]"), "mssql": ("SQL Server", "offtake[mssql]")}
)


def _open(staging: Staging, file: InputFile, options: ReaderOptions) -> Source:
    if not options.query:
        raise LakeError(f"{file.name}: a database needs a query; give it with --query 'SELECT …'.")
    scheme = file.url.partition(":")[0]
    with _faults(file):
        return _READERS[scheme](staging, file, options.query)


def _postgresql(staging: Staging, file: InputFile, query: str) -> Source:
    import adbc_driver_postgresql.dbapi as postgresql

    connection = file.opened.enter_context(closing(postgresql.connect(file.url)))
    cursor = file.opened.enter_context(closing(connection.cursor()))
    cursor.execute(query)
    reader = cursor.fetch_record_batch()

    def batches() -> Iterator[Any]:
        with _faults(file):
            yield from reader

    return batch_source(staging, file.name, DATABASE, reader.schema, numbered(batches()))


def _sqlite(staging: Staging, file: InputFile, query: str) -> Source:
    path = sqlite_path(file.url)
    if not path.is_file():
        raise LakeError(f"{file.name}: file not found.")
    connection = sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, check_same_thread=False)
    return _python_rows(staging, file, connection, connection.cursor(), query)


def _mysql(staging: Staging, file: InputFile, query: str) -> Source:
    pymysql = _driver("mysql", "pymysql")
    parts = urlsplit(file.url)
    connection = pymysql.connect(
        **_login(file.url), port=parts.port or 3306, charset="utf8mb4", cursorclass=pymysql.cursors.SSCursor
    )
    return _python_rows(staging, file, connection, connection.cursor(), query)


def _mssql(staging: Staging, file: InputFile, query: str) -> Source:
    pymssql = _driver("mssql", "pymssql")
    login = {"server" if name == "host" else name: value for name, value in _login(file.url).items()}
    connection = pymssql.connect(**login, port=str(urlsplit(file.url).port or 1433), charset="UTF-8")
    return _python_rows(staging, file, connection, connection.cursor(), query)


def _driver(scheme: str, module: str) -> Any:
    try:
        return import_module(module)
    except ImportError as error:
        name, extra = _EXTRAS[scheme]
        raise LakeError(f"Loading from {name} needs a driver; install it with: pip install '{extra}'.") from error


def _login(url: str) -> dict[str, str]:
    parts = urlsplit(url)
    given = {"host": parts.hostname, "user": parts.username, "password": parts.password, "database": parts.path[1:]}
    return {name: unquote(value) for name, value in given.items() if value}


def _python_rows(staging: Staging, file: InputFile, connection: Any, cursor: Any, query: str) -> Source:
    file.opened.enter_context(closing(connection))
    file.opened.enter_context(closing(cursor))
    cursor.execute(query)
    if cursor.description is None:
        raise LakeError(f"{file.name}: the query returns no rows; give a SELECT.")
    columns = [str(column[0]) for column in cursor.description]

    def rows() -> Iterator[tuple[int, Sequence[object]]]:
        numbers = count(1)
        with _faults(file):
            while fetched := cursor.fetchmany(_FETCHED_ROWS):
                yield from zip(numbers, fetched, strict=False)

    return batch_source(staging, file.name, DATABASE, text_schema(columns), text_batches(file.name, columns, rows()))


@contextmanager
def _faults(file: InputFile) -> Iterator[None]:
    """Translate the errors of a driver into LakeError, without the password."""
    try:
        yield
    except LakeError:
        raise
    except Exception as error:  # noqa: BLE001 - each driver has errors of its own
        raise LakeError(f"{file.name}: the database refused: {_without_password(error, file.url)}") from None


def _without_password(error: Exception, url: str) -> str:
    message: object = error.args
    while isinstance(message, tuple):  # of codes and messages, also nested
        message = message[-1] if message else ""
    message = message.decode("utf-8", errors="replace") if isinstance(message, bytes) else str(message)
    text = " ".join(message.split()) or type(error).__name__
    password = urlsplit(url).password
    for secret in (url, password, unquote(password)) if password else ():
        text = text.replace(secret, "***")
    return text


def sqlite_path(url: str) -> Path:
    """Return the file of ``sqlite:PATH`` or ``sqlite:///PATH``."""
    return Path(url.removeprefix("sqlite:").removeprefix("//"))


_READERS: Mapping[str, Callable[[Staging, InputFile, str], Source]] = MappingProxyType(
    {
        "postgresql": _postgresql,
        "postgres": _postgresql,
        "sqlite": _sqlite,
        "mysql": _mysql,
        "mssql": _mssql,
    }
)
SCHEMES = tuple(_READERS)
DATABASE = SourceFormat(name="SQL", suffixes=(), open=_open, has_lines=False)
