"""The JSON reader of all dialects: objects, and bodies that it refuses."""

from __future__ import annotations

import codecs
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offtake.errors import MalformedBody
from offtake.http.json_body import parse_json_object

_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | _TEXT,
    lambda each: st.lists(each, max_size=3) | st.dictionaries(_TEXT, each, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(_TEXT, _VALUES, max_size=5), st.booleans())
def test_an_object_is_returned_as_sent(sent: dict[str, Any], ascii_only: bool) -> None:
    body = json.dumps(sent, ensure_ascii=ascii_only).encode()
    assert parse_json_object(body) == parse_json_object(codecs.BOM_UTF8 + body) == sent


def test_nested_values_are_accepted() -> None:
    nested = b'{"a": ' + b"[" * 31 + b"]" * 31 + b"}"
    assert parse_json_object(nested) == json.loads(nested)


@pytest.mark.parametrize(
    ("body", "key"),
    [
        (b'{"a": 1, "a": 1}', "/a"),
        (rb'{"a": 1, "\u0061": 2}', "/a"),
        (b'{"a": [{"x": 1}, {"b/c": 1, "d": 2, "b/c": null}]}', "/a/1/b~1c"),
        (b'{"a": {"x": 1, "x": 2}, "a": 3}', "/a"),
    ],
    ids=["same-value", "escaped", "nested", "in-a-value-that-is-replaced"],
)
def test_an_object_has_each_key_once(body: bytes, key: str) -> None:
    with pytest.raises(MalformedBody) as refusal:
        parse_json_object(body)
    assert refusal.value.message == f"The key {key} occurs more than once."


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{",
        b"{'a': 1}",
        b'{"a": 1} x',
        b'{"a": "\xff"}',
        b"start=1&end=2",
        b'{"a": ' + b"9" * 5_000 + b"}",
        b'{"a": NaN}',
        b'{"a": -Infinity}',
    ],
    ids=[
        "empty",
        "blank",
        "cut",
        "quotes",
        "trailing",
        "not-utf-8",
        "form",
        "number-too-long",
        "not-a-number",
        "infinity",
    ],
)
def test_a_body_that_is_not_json(body: bytes) -> None:
    with pytest.raises(MalformedBody) as refusal:
        parse_json_object(body)
    assert (type(refusal.value), refusal.value.message) == (MalformedBody, "The body is not JSON.")
    assert refusal.value.fields == ()


@pytest.mark.parametrize("body", [b"[]", b'[{"a": 1}]', b'"a"', b"1", b"true", b"null"])
def test_json_that_is_not_an_object(body: bytes) -> None:
    with pytest.raises(MalformedBody) as refusal:
        parse_json_object(body)
    assert (type(refusal.value), refusal.value.message) == (MalformedBody, "The body is not a JSON object.")
    assert refusal.value.fields == ()


@pytest.mark.parametrize(
    "body",
    [
        b'{"a": ' + b"[" * 32 + b"]" * 32 + b"}",
        b'{"a": ' * 33 + b"1" + b"}" * 33,
        b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
    ids=["arrays-of-33-levels", "objects-of-33-levels", "deeper-than-the-parser"],
)
def test_a_body_that_is_nested_too_deeply(body: bytes) -> None:
    with pytest.raises(MalformedBody) as refusal:
        parse_json_object(body)
    assert refusal.value.message == "The body is nested in more than 32 levels of arrays and objects."


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (rb'{"a": {"b/c": ["x", "y\u0000"]}}', "The text at /a/b~1c/1 has a NUL character."),
        (rb'{"a": {"k\u0000": 1}}', "The text at /a has a NUL character."),
        (rb'{"k\u0000": 1}', "The text at / has a NUL character."),
        (rb'{"a": "\ud83d"}', "The text at /a has half of a surrogate pair."),
        (b'{"a": "\xed\xa0\xbd"}', "The text at /a has half of a surrogate pair."),
    ],
    ids=["nul", "nul-in-a-name", "nul-in-a-name-of-the-body", "half-a-pair", "half-a-pair-in-utf-8"],
)
def test_a_text_that_cannot_be_stored(body: bytes, message: str) -> None:
    with pytest.raises(MalformedBody) as refusal:
        parse_json_object(body)
    assert refusal.value.message == message
