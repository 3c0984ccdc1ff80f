"""The Authorization header: its scheme and credentials, and the user name and password of HTTP Basic."""

from __future__ import annotations

import base64
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offtake.errors import NotAuthenticated
from offtake.http.authorization_header import (
    NOT_BASIC,
    credentials_of,
    decode_basic,
    decode_client_credentials,
)

_TEXT = st.text(st.characters(exclude_categories=["Cs"]))


@pytest.mark.parametrize(
    ("header", "credentials"),
    [
        ("Bearer abc", "abc"),
        ("bearer abc", "abc"),
        ("BEARER   abc ", "abc"),
        ("Bearer abc def", "abc def"),
        ("Bearer", ""),
        ("Bearer ", ""),
        ("", None),
        ("abc", None),
        ("Basic abc", None),
        ("Bearerabc", None),
        ("Bearer\tabc", None),
        (" Bearer abc", None),
    ],
)
def test_the_credentials_of_a_scheme(header: str, credentials: str | None) -> None:
    assert credentials_of(header, "bearer") == credentials


def _encode(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@given(user=_TEXT.filter(lambda text: ":" not in text), password=_TEXT)
def test_user_name_and_password(user: str, password: str) -> None:
    """The first colon ends the user name; a password may have colons."""
    assert decode_basic(_encode(f"{user}:{password}")) == (user, password)


@given(user=st.text(st.characters(max_codepoint=255, exclude_characters=":")))
def test_credentials_in_latin_1(user: str) -> None:
    """If the bytes are valid UTF-8 as well, they are that."""
    sent = f"{user}é:ü-".encode("latin-1")  # no UTF-8: neither letter can precede a sign of ASCII
    assert decode_basic(base64.b64encode(sent).decode()) == (f"{user}é", "ü-")


@given(st.text(string.ascii_letters + string.digits + "-_", min_size=1))
def test_a_client_secret_may_be_form_encoded(secret: str) -> None:
    """RFC 6749 2.3.1; some clients encode every sign but letters and digits, others nothing."""
    encoded = "".join(sign if sign.isalnum() else f"%{ord(sign):02X}" for sign in secret)
    for sent in (secret, encoded, encoded.lower() if secret.islower() else encoded):
        assert decode_client_credentials(_encode(f"{sent}:{sent}")) == (secret, secret)
    assert decode_client_credentials(_encode(secret)) == (secret, None)


def test_credentials_without_a_colon_have_no_password() -> None:
    assert decode_basic(_encode("ann")) == ("ann", None)
    assert decode_basic("") == ("", None)


@pytest.mark.parametrize(
    "credentials",
    ["***", "YTpi\n", "YTp", "YTpi YTpi", "é"],
    ids=["not-base64", "line-feed", "no-padding", "blank", "not-ascii"],
)
def test_credentials_that_are_not_basic(credentials: str) -> None:
    with pytest.raises(NotAuthenticated) as refusal:
        decode_basic(credentials)
    assert refusal.value.message == NOT_BASIC
