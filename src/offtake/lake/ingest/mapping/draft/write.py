"""Write the draft of a mapping as TOML, with what is to be edited in comments."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

from offtake.lake.ingest.inputs.input_file import Input
from offtake.lake.ingest.mapping.draft.content import (
    ColumnContent,
    ambiguous_days,
    content_of,
    notation_of,
    telling_notation,
)
from offtake.lake.ingest.mapping.draft.match import Match, matches, nearest
from offtake.lake.ingest.mapping.draft.rows import row_hints
from offtake.lake.ingest.mapping.draft.sample import Sample, read_sample
from offtake.lake.ingest.mapping.times import ISO, has_offset
from offtake.lake.ingest.readers.source import ReaderOptions
from offtake.lake.staging import Staging
from offtake.lake.tables import Table, TableColumn
from offtake.model.column_type import ColumnType

_PLAIN = ReaderOptions()
_MOST_CODES = 40
_USUALLY_TRUE = frozenset({"is_active", "is_in_business_hours"})
_BARE_KEY = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")


def draft(area: Staging, table: Table, file: Input, options: ReaderOptions = _PLAIN) -> str:
    """Return the text of a mapping from a file to a table; ``options`` tell how it is read, as far as they are known.

    Raises LakeError for a file that cannot be read.
    """
    sample = read_sample(area, file, options)
    contents = {
        name: content_of(texts, is_list=name in sample.lists)
        for name, texts in sample.columns.items()
        if name not in sample.repeated
    }
    found = matches(table, contents)
    name = repr(file.file_name or file.name)
    lines = [f"# Mapping into table {table.name}, drafted from a sample of {name}. Edit it, then run:"]
    lines += ["# offtake load --mapping THIS_FILE --check FILES --tenant TENANT", "", f"table = {_quoted(table.name)}"]
    lines += _source(sample, found, contents)
    lines += _values(contents, found)
    lines += _rows(table, sample, found, contents)
    lines += _columns(table, found, contents)
    lines += _missing(table, found)
    return "\n".join(lines) + "\n"


def _source(sample: Sample, found: Mapping[str, Match], contents: Mapping[str, ColumnContent]) -> Iterator[str]:
    used = {match.source for match in found.values()}
    left = [name for name in sample.columns if name not in used]
    paths: list[str] = []
    if sample.is_nested:
        # Keys of nested objects are left out with the object, and only keys at the top have to be named.
        tops = {name.partition(".")[0] for name in used}
        paths = [name for name in left if "." in name]
        nested = [name.partition(".")[0] for name in left if "." in name]
        left = [name for name in left if "." not in name]
        left += [name for name in dict.fromkeys(nested) if name not in tops and name not in left]
    keys = {key: getattr(sample.options, key) for key in ("delimiter", "encoding", "sheet", "records", "query")}
    arrays = [] if keys["records"] else list(_arrays_of_rows(sample))
    if left or paths or arrays or any(keys.values()):
        yield from ("", "[source]")
    if arrays:
        yield "# EDIT: the file is one object; if its rows are in an array, name it and draft again (--records):"
        yield from (f"# records = {_quoted(name)}" for name in arrays)
    for key, value in keys.items():
        is_guess = key == "encoding" and sample.encoding_is_guessed
        comment = "  # a guess: the file is not UTF-8; look at its letters" if is_guess else ""
        if value:
            yield f"{key} = {_quoted(value)}{comment}"
    if left:
        yield "# Left over: nothing of ours is made from these columns. Move a name to [columns] to use it."
        yield from ("ignore = [", *(f"    {_quoted(name)},{_hint(contents.get(name))}" for name in left), "]")
    if paths:
        yield "# Left over in objects: keys that nothing is made from. Name one by its path in [columns] to use it."
        yield from (f"#     {_quoted(name)}{_hint(contents.get(name))}" for name in paths)


def _arrays_of_rows(sample: Sample) -> Iterator[str]:
    """Yield the columns that are an array of objects, if the file has one record only."""
    for name, texts in sample.columns.items() if sample.is_nested else ():
        if len(texts) == 1 and name in sample.lists and str(texts[0]).lstrip("[ \n\t\r").startswith("{"):
            yield name


def _hint(content: ColumnContent | None) -> str:
    """Return a comment with the notation of a column that is left over."""
    notation = telling_notation(content) if content is not None else {}
    keys = ", ".join(f"{key} = {_value(value)}" for key, value in notation.items())
    return f"  # {keys}" if keys else ""


def _rows(
    table: Table, sample: Sample, found: Mapping[str, Match], contents: Mapping[str, ColumnContent]
) -> Iterator[str]:
    hints = list(row_hints(table, sample, found, contents))
    if hints:
        yield from ("", "[rows]")
    for hint in hints:
        yield from (f"# EDIT: {hint.reason}:", f"# {hint.key} = {_quoted(hint.value)}")


def _values(contents: Mapping[str, ColumnContent], found: Mapping[str, Match]) -> Iterator[str]:
    words = sorted({word for content in contents.values() for word in content.null_words})
    has_blanks = any(content.has_blanks for content in contents.values())
    is_local = any(_is_local(match.column, contents[match.source]) for match in found.values())
    if words or has_blanks or is_local:
        yield from ("", "[values]")
    if has_blanks:
        yield "trim = true"
    if words:
        yield f"null = [{', '.join(_quoted(word) for word in words)}]  # words that mean no value"
    if is_local:
        yield '# EDIT: there are times without an offset; write their zone, such as zone = "Europe/Prague"'


def _is_local(column: TableColumn, content: ColumnContent) -> bool:
    """Return whether the times of a column need a zone."""
    if column.type is not ColumnType.INSTANT:
        return False
    time = (notation_of(content, column.type) or {}).get("time")
    return time is not None and (time == ISO or not has_offset(str(time)))


def _columns(table: Table, found: Mapping[str, Match], contents: Mapping[str, ColumnContent]) -> Iterator[str]:
    yield from ("", "[columns]")
    missing = [column for column in table.columns if column.name in table.not_null and column.name not in found]
    key = next((found[name].source for name in table.key if name in found), None)
    offers = {column.name: _offer(column) for column in missing}
    undecided = [column for column in missing if offers[column.name] is None]
    if undecided:
        yield "# EDIT: missing, and required. Name a source column, an expression or a constant:"
        yield from (f"# {column.name} = {{ {_question(column, key)} }}  # {_what(column)}" for column in undecided)
    assumed = [column for column in missing if offers[column.name] is not None]
    if assumed:
        yield "# Missing, and required: assumed for all rows. Check each, and name a source column or an expression:"
        yield from (f"{column.name} = {{ {offers[column.name]} }}  # {_what(column)}" for column in assumed)
    if assumed and found:
        yield "# Found in the file:"
    tables: list[str] = []
    for match in found.values():
        content = contents[match.source]
        comment = f"  # {match.score:.2f}: {match.reason}"
        keys = _keys(match.column, content)
        if keys:
            tables += ["", f"[columns.{match.column.name}]{comment}", f"from = {_quoted(match.source)}", *keys]
        else:
            yield f"{match.column.name} = {_quoted(match.source)}{comment if match.score < 1 else ''}"
    yield from tables


def _keys(column: TableColumn, content: ColumnContent) -> list[str]:
    """Return the lines of the keys that a column needs in addition to ``from``."""
    notation = notation_of(content, column.type)
    if notation is None:
        return [f"# EDIT: {_examples(content)} is not of type {column.type}"]
    lines = [f"{key} = {_value(value)}" for key, value in notation.items()]
    time = notation.get("time")
    if time is not None and ambiguous_days(content, time):
        lines.append("# EDIT: these could also be months before days: %m/%d instead of %d/%m")
    if column.name.endswith("_number") and column.type is ColumnType.TEXT:
        foreign = [value for value in content.values if not value.startswith("+")]
        if foreign:
            lines.append(f'# EDIT: phone = "CZ" makes {foreign[0]!r} an international number of that country')
    if column.values:
        lines += _lookup(column, content)
    return lines


def _lookup(column: TableColumn, content: ColumnContent) -> Iterator[str]:
    unknown = [value for value in content.distinct if value not in column.values]
    if not unknown:
        return
    yield f"# EDIT: the values of ours are {', '.join(column.values)}"
    if len(content.distinct) > _MOST_CODES:
        yield f"# EDIT: {len(content.distinct)} different values, such as {_examples(content)}, need a lookup"
        return
    yield f"[columns.{column.name}.lookup]"
    for value in content.distinct:
        ours = nearest(value, column.values)
        yield f"{_key(value)} = {_quoted(ours)}" if ours else f"# {_key(value)} = "


def _missing(table: Table, found: Mapping[str, Match]) -> Iterator[str]:
    others = [column for column in table.columns if column.name not in found and column.name not in table.not_null]
    if others:
        yield from ("", "# Missing, and not required:")
        yield from (f"# [columns.{column.name}]  # {_what(column)}" for column in others)


def _offer(column: TableColumn) -> str | None:
    """Return what a required column is in most files that lack it; None if it is different in every file."""
    if column.type is ColumnType.BOOLEAN:
        return f"constant = {'true' if column.name in _USUALLY_TRUE else 'false'}"
    return "constant = 0" if column.type in {ColumnType.SECONDS, ColumnType.MILLISECONDS, ColumnType.INTEGER} else None


def _question(column: TableColumn, key: str | None) -> str:
    """Return how a required column could be filled; an id often is that of the row."""
    if column.values:
        return f"constant = {_quoted(column.values[0])}"
    is_own = column.type is ColumnType.ID and column.references is None
    return f"from = {_quoted(key if key and is_own else '')}"


def _what(column: TableColumn) -> str:
    accepted = f" One of {', '.join(column.values)}." if column.values else ""
    return f"{column.type}: {column.meaning}{accepted}"


def _examples(content: ColumnContent) -> str:
    return ", ".join(repr(value[:40]) for value in content.distinct[:3]) or "no value"


def _value(value: object) -> str:
    if isinstance(value, list):
        return f"[{', '.join(_quoted(str(item)) for item in value)}]"
    return _quoted(str(value))


def _key(name: str) -> str:
    return name if name and set(name) <= _BARE_KEY else _quoted(name)


def _quoted(text: str) -> str:
    """Return a basic string of TOML, whose escapes are those of JSON; DEL has to be escaped, too."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
