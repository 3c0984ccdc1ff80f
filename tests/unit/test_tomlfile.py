"""Every key of a TOML file has its line number."""

from __future__ import annotations

from pathlib import Path

import pytest

from offtake.tomlfile import TomlFile, TomlSyntaxError, read_toml

TEXT = '''\
# first line
title = "a # b = c"
key = ["x", "y"]   # comment = 1
when = 2026-03-01 08:00:00
text = """
not_a_key = 1
[not_a_header]
"""
columns = [
    # a comment line = {
    { name = "a", type = "te}xt" },

    { name = "b", type = 'li]st', nested = { deep = 1 } }, { name = "c" },
    { name = "d \\" , {" },
]
tags = [
    "one",
    "two",
]

[owner.mail]
"quoted key" = 1
a.b = 2

[[part]]
name = "first"

[[ part ]]
name = "second"
[part.detail]
size = 3
'''


@pytest.fixture
def toml(tmp_path: Path) -> TomlFile:
    path = tmp_path / "sample.toml"
    path.write_text(TEXT, encoding="utf-8")
    return read_toml(path)


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        (("title",), 2),
        (("key", 1), 3),
        (("when",), 4),
        (("columns",), 9),
        (("columns", 0, "type"), 11),
        (("columns", 1, "nested", "deep"), 13),
        (("columns", 2), 13),
        (("columns", 3, "name"), 14),
        (("tags", 1), 18),
        (("owner",), 21),
        (("owner", "mail", "quoted key"), 22),
        (("owner", "mail", "a", "b"), 23),
        (("part", 0, "name"), 26),
        (("part", 1), 28),
        (("part", 1, "name"), 29),
        (("part", 1, "detail", "size"), 31),
    ],
)
def test_a_key_has_its_line(toml: TomlFile, keys: tuple[str | int, ...], line: int) -> None:
    assert toml.line(*keys) == line


def test_an_absent_key_has_the_line_of_its_nearest_ancestor(toml: TomlFile) -> None:
    assert toml.line("columns", 3, "type") == 14
    assert toml.line("absent") == 1
    assert toml.where("part", 1, "absent") == f"{toml.path}:28"


def test_text_that_only_looks_like_a_key_has_no_line(toml: TomlFile) -> None:
    assert ("not_a_key",) not in toml.lines
    assert ("not_a_header",) not in toml.lines


def test_every_key_and_element_of_the_data_is_found(toml: TomlFile) -> None:
    def walk(value: object, keys: tuple[str | int, ...]) -> None:
        assert not keys or keys in toml.lines
        if isinstance(value, dict):
            for key, inner in value.items():
                walk(inner, (*keys, key))
        elif isinstance(value, list):
            for index, inner in enumerate(value):
                walk(inner, (*keys, index))

    walk(toml.data, ())


@pytest.mark.parametrize("text", ['a = 1\nb = "open\nc = 3\n', "a = [1,\n"], ids=["inside", "at-the-end"])
def test_a_syntax_error_has_its_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(TomlSyntaxError) as caught:
        read_toml(path)
    assert caught.value.line == 2


def test_text_that_is_nested_too_deeply_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "deep.toml"
    path.write_text(f"x = {'[' * 5000}{']' * 5000}\n")
    with pytest.raises(TomlSyntaxError, match="nested too deeply"):
        read_toml(path)
