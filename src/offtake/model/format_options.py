"""Options of file formats: how a file is compressed, and how CSV is written.

The options are part of the request, so every attempt writes the same bytes. Which formats accept which compression is a
property of the format (``formats``).
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

_LONGEST_NULL = 16  # characters
# Text that the file contains for a number, a boolean, an instant or a list.
_OF_A_VALUE = re.compile(r"[+-]?(nan|inf|infinity)|true|false|.*[0-9\[\]].*", re.IGNORECASE)
_NULL = "a text of at most 16 printable characters without digits, brackets and quotes, which is no value of a column"


class Compression(StrEnum):
    """Compression of a file. In Parquet and Arrow it is the codec of the data inside the file."""

    NONE = "none"
    GZIP = "gzip"
    ZSTD = "zstd"


def _is_null_word(word: str) -> str:
    if len(word) > _LONGEST_NULL or not word.isprintable() or word != word.strip() or set(word) & set("\"'"):
        raise ValueError(f"must be {_NULL}")
    if _OF_A_VALUE.fullmatch(word):
        raise ValueError(f"{word!r} may also be the value of a column; it must be {_NULL}")
    return word


class CsvOptions(BaseModel):
    r"""How CSV is written. The default is RFC 4180: commas, quotes where needed, CR LF, UTF-8 without a mark.

    A null is the word ``null`` without quotes. A text that equals the word is quoted, so a reader that heeds quotes
    distinguishes the two; the empty word distinguishes null from empty text (``""``) in the same way.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    delimiter: Literal[",", ";", "\t", "|", ":", "^", "~"] = Field(",", description="The character between fields.")
    quote: Literal['"', "'"] = Field(
        '"',
        description="The character around a field that contains a delimiter, a quote or a line end; doubled inside.",
    )
    header: bool = Field(True, description="Whether the first line has the names of the columns.")
    bom: bool = Field(False, description="Whether the file begins with a UTF-8 byte order mark, which Excel needs.")
    null: Annotated[str, AfterValidator(_is_null_word)] = Field("", description=f"The word for null: {_NULL}.")
    line_end: Literal["\r\n", "\n"] = Field("\r\n", description="The end of each line.")
    decimal_mark: Literal[".", ","] = Field(".", description="The character before the decimals of a number.")

    @model_validator(mode="after")
    def _marks_differ(self) -> CsvOptions:
        for name in ("delimiter", "null"):
            if self.decimal_mark == "," == getattr(self, name):
                raise ValueError(f"decimal_mark and {name} are both ','; choose another {name}, such as ';'")
        if self.delimiter in self.null:
            raise ValueError(f"null contains the delimiter {self.delimiter!r}; choose another word")
        return self


def nearest_of(name: str, known: Mapping[str, object] | tuple[str, ...]) -> str:
    """Return what is accepted instead of an unknown name, and the name that was probably meant."""
    close = difflib.get_close_matches(name, [*known], n=1)
    accepted = f"accepted are {', '.join(known)}"
    return f"did you mean {close[0]!r}? {accepted}" if close else accepted
