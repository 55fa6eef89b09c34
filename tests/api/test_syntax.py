"""The texts of Go's JSON decoder, seen on the wire or taken from its rules."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hollama.api.syntax import BodyInvalid, parse


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"", "missing request body"),
        (b"  \n", "missing request body"),
        (b"{", "unexpected EOF"),
        (b'{"model":', "unexpected EOF"),
        (b'{"model":"m"', "unexpected EOF"),
        (b"nul", "unexpected EOF"),
        (b'"abc', "unexpected EOF"),
        (b"-", "unexpected EOF"),
        (b"x", "invalid character 'x' looking for beginning of value"),
        (b"{bad}", "invalid character 'b' looking for beginning of object key string"),
        (b'{"model":"m",}', "invalid character '}' looking for beginning of object key string"),
        (b"{'model':1}", r"invalid character '\'' looking for beginning of object key string"),
        (b'{"model":"a\nb"}', r"invalid character '\n' in string literal"),
        (b'{"model":"\\q"}', "invalid character 'q' in string escape code"),
        (b'{"model":"\\u12x4"}', "invalid character 'x' in \\u hexadecimal character escape"),
        (b"\xef\xbb\xbf{}", "invalid character 'ï' looking for beginning of value"),
        (b'{"a" 1}', "invalid character '1' after object key"),
        (b'{"a":1 "b"}', "invalid character '\"' after object key:value pair"),
        (b"[1 2]", "invalid character '2' after array element"),
        (b"[1,]", "invalid character ']' looking for beginning of value"),
        (b"[NaN]", "invalid character 'N' looking for beginning of value"),
        (b"[nulx]", "invalid character 'x' in literal null (expecting 'l')"),
        (b"[01]", "invalid character '1' after array element"),
        (b"[1.]", "invalid character ']' after decimal point in numeric literal"),
        (b"[1e]", "invalid character ']' in exponent of numeric literal"),
        (b"[-]", "invalid character ']' in numeric literal"),
        (b'["a\x7f" \x01]', r"invalid character '\x01' after array element"),
    ],
)
def test_a_malformed_body_is_named_in_gos_words(body: bytes, text: str) -> None:
    with pytest.raises(BodyInvalid) as caught:
        parse(body)
    assert str(caught.value) == text


def test_a_long_malformed_body_is_not_walked_byte_by_byte() -> None:
    """That would take seconds for each megabyte."""
    with pytest.raises(BodyInvalid, match=r"invalid JSON: Expecting value: line 1 column 1200002 \(char 1200001\)"):
        parse(b"[" + b"1," * 600_000 + b"}")


def test_only_the_first_value_counts() -> None:
    assert parse(b'"x" trailing {') == "x"


def test_depth_is_bounded() -> None:
    with pytest.raises(BodyInvalid, match="exceeded max depth"):
        parse(b"[" * 200_000)


@given(st.binary(max_size=60) | st.text(alphabet='{}[]":,\\u0123eE+-.truefalsn \n\x01é', max_size=40).map(str.encode))
def test_any_bytes_give_a_value_or_a_named_error(body: bytes) -> None:
    try:
        parse(body)
    except BodyInvalid as error:
        assert str(error)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(_JSON, st.data())
def test_a_body_cut_short_is_an_unexpected_end(value: object, data: st.DataObject) -> None:
    text = json.dumps([value]).encode()
    cut = data.draw(st.integers(1, len(text) - 1))
    with pytest.raises(BodyInvalid, match=r"^unexpected EOF$"):
        parse(text[:cut])
