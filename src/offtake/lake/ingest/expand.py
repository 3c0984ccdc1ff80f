"""What the words of a command name: files, folders, archives, standard input, objects, URLs, tables and databases.

A word is never a pattern, unless it is given as one. Nothing is opened here except folders and archives.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from offtake.errors import LakeError
from offtake.lake.ingest.folders import parquet_parts
from offtake.lake.ingest.inputs.archive import SUFFIX as ZIP
from offtake.lake.ingest.inputs.archive import archive_inputs
from offtake.lake.ingest.inputs.https import https_input
from offtake.lake.ingest.inputs.input_file import STANDARD_INPUT, Input, InputFile, local_input, open_standard_input
from offtake.lake.ingest.inputs.objects import keys_under, matching_keys, object_input, split_url
from offtake.lake.ingest.inputs.stream import Blocks, Content
from offtake.lake.ingest.readers import format_named, format_of
from offtake.lake.ingest.readers.database import DATABASE, SCHEMES, sqlite_path
from offtake.lake.ingest.readers.lake_tables import DELTA, ICEBERG, is_delta, is_iceberg
from offtake.objects.bucket import Bucket
from offtake.objects.location import SERVICES, ObjectLocation

_ENVIRONMENT, _URL_FILE = "env:", "url-file:"
_DELTA_LOG = "_delta_log/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Expansion:
    """The inputs in the order in which they are read, and the names of files in folders and archives that are none."""

    inputs: Sequence[Input]
    skipped: Sequence[str]


@dataclass(slots=True)
class InputExpander:
    """Expands words; ``form`` is the name of the format of all inputs, if it is given."""

    form: str | None
    bucket: Callable[[ObjectLocation], Bucket]
    _inputs: list[Input] = field(default_factory=list)
    _skipped: list[str] = field(default_factory=list)

    def expand(self, words: Sequence[str], patterns: Sequence[str] = ()) -> Expansion:
        """Return what the words name, then what matches the patterns. Raises LakeError."""
        if self.form is not None:
            format_named(self.form)
        for word in words:
            self._add(_resolved(word))
        for pattern in patterns:
            self._add_matching(pattern)
        return Expansion(inputs=self._inputs, skipped=self._skipped)

    def _add(self, word: str) -> None:
        scheme = word.partition(":")[0] if ":" in word else ""
        if word == "-":
            self._inputs.append(_standard_input(self.form))
        elif scheme in SCHEMES:
            self._inputs.append(_rows(_database_name(word), word, DATABASE.name))
        elif "://" not in word:
            self._add_local(Path(word))
        elif scheme in SERVICES:
            self._add_objects(word)
        elif scheme == "https":
            self._inputs.append(https_input(word, self.form))
        else:
            known = ", ".join(f"{name}://" for name in (*SERVICES, "https", *SCHEMES))
            raise LakeError(f"{scheme}://: such a URL cannot be loaded; the ones that can begin with {known}.")

    def _add_local(self, path: Path) -> None:
        if not path.is_dir():
            if path.name.lower().endswith(ZIP):
                inputs, skipped = archive_inputs(path, self.form, _is_readable)
                self._keep(str(path), inputs, skipped)
            else:
                self._inputs.append(local_input(path, self.form))
        elif is_delta(path):
            self._inputs.append(_rows(str(path), str(path), DELTA.name))
        elif is_iceberg(path):
            self._inputs.append(_rows(str(path), str(path), ICEBERG.name))
        elif path.name.lower().endswith(".parquet"):
            self._inputs += [local_input(part, self.form) for part in parquet_parts(path)]
        else:
            self._add_folder(path)

    def _add_folder(self, path: Path) -> None:
        try:
            entries = sorted(each for each in path.iterdir() if not each.name.startswith((".", "_")))
        except OSError as error:
            raise LakeError(f"{path}: the folder cannot be read: {error.strerror}.") from error
        chosen = [each for each in entries if each.is_file() and (self.form or _is_readable(each.name))]
        skipped = [f"{each}/" if each.is_dir() else str(each) for each in entries if each not in chosen]
        self._keep(str(path), [local_input(each, self.form) for each in chosen], skipped)

    def _add_objects(self, url: str) -> None:
        location, key = split_url(url)
        bucket = self.bucket(location)
        if key and not key.endswith("/"):
            self._inputs.append(object_input(bucket, key, self.form))
            return
        keys = keys_under(bucket, key)
        if any(each.startswith(key + _DELTA_LOG) for each in keys):
            options = location.delta_options(bucket.access)
            self._inputs.append(_rows(url, url, DELTA.name, options))
            return
        names = [each for each in keys if "/" not in each.removeprefix(key)]
        chosen = [each for each in names if self.form or _is_readable(each)]
        skipped = [f"{location.scheme}://{location.bucket}/{each}" for each in names if each not in chosen]
        self._keep(url, [object_input(bucket, each, self.form) for each in chosen], skipped)

    def _keep(self, name: str, inputs: Sequence[Input], skipped: Sequence[str]) -> None:
        if not inputs:
            raise LakeError(f"{name}: there is no file in it whose name tells a format; --format names one for all.")
        self._inputs += inputs
        self._skipped += skipped

    def _add_matching(self, pattern: str) -> None:
        scheme = pattern.partition("://")[0] if "://" in pattern else ""
        if scheme in SERVICES:
            location, wanted = split_url(pattern)
            bucket = self.bucket(location)
            found = [object_input(bucket, key, self.form) for key in matching_keys(bucket, wanted)]
        elif scheme:
            raise LakeError(f"--glob: a pattern is for local files and buckets, not for {scheme}:// URLs.")
        else:
            paths = sorted(map(Path, glob.glob(pattern, recursive=True)))  # noqa: PTH207 - also for absolute patterns
            found = [local_input(path, self.form) for path in paths if path.is_file()]
        if not found:
            raise LakeError(f"--glob: no file matches {pattern!r}; quote the pattern, or the shell expands it.")
        self._inputs += found


def _is_readable(name: str) -> bool:
    return format_of(name) is not None


def _resolved(word: str) -> str:
    """Return the URL that an environment variable or a file holds, or the word itself. Raises LakeError."""
    if word.startswith(_ENVIRONMENT):
        name = word.removeprefix(_ENVIRONMENT)
        if not os.environ.get(name):
            raise LakeError(f"{word}: the environment variable {name} is not set.")
        return os.environ[name].strip()
    if word.startswith(_URL_FILE):
        path = Path(word.removeprefix(_URL_FILE))
        try:
            return path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeError) as error:
            raise LakeError(f"{path}: the file with the URL cannot be read.") from error
    return word


def _standard_input(form: str | None) -> Input:
    if form is None:
        raise LakeError(f"{STANDARD_INPUT}: name its format with --format, such as --format csv.")
    return Input(name=STANDARD_INPUT, file_name="", open=open_standard_input, form=form)


def _database_name(url: str) -> str:
    """Return the name of a database in messages: without user, password and options."""
    if url.startswith("sqlite:"):
        return str(sqlite_path(url))
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname or ''}{port}{parts.path}"


def _rows(name: str, url: str, form: str, options: Mapping[str, str] | None = None) -> Input:
    return Input(name=name, file_name="", open=partial(_without_bytes, name, url, options or {}), form=form)


@contextmanager
def _without_bytes(name: str, url: str, options: Mapping[str, str]) -> Iterator[InputFile]:
    with ExitStack() as opened:
        yield InputFile(
            name=name,
            file_name="",
            content=Content(Blocks(iter(()))),
            descriptor=None,
            url=url,
            url_options=options,
            opened=opened,
        )
