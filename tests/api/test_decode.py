"""Bodies against the tables: Go's rules of matching and the texts seen on the wire."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hollama.api import tables
from hollama.api.decode import decode
from hollama.api.syntax import BodyInvalid


def refusal(table: object, body: object) -> str:
    with pytest.raises(BodyInvalid) as caught:
        decode(body if isinstance(body, bytes) else json.dumps(body).encode(), table)
    return str(caught.value).removeprefix("json: cannot unmarshal ")


def test_keys_match_in_any_case_and_unknown_ones_are_ignored() -> None:
    assert decode(b'{"MODEL":"m","zzz":{"a":[1]}}', tables.GENERATE) == {"model": "m"}


def test_null_leaves_a_field_alone() -> None:
    assert decode(b'{"model":"m","model":null,"options":null}', tables.CHAT) == {"model": "m"}


def test_a_body_of_null_gives_nothing() -> None:
    assert decode(b"null", tables.SHOW) == {}


def test_the_last_of_duplicate_keys_wins() -> None:
    assert decode(b'{"model":"a","Model":"b"}', tables.GENERATE) == {"model": "b"}


def test_a_lone_surrogate_and_bad_utf8_become_the_replacement_character() -> None:
    assert decode(b'{"model":"\\ud800","prompt":"\xff"}', tables.GENERATE) == {"model": "\ufffd", "prompt": "\ufffd"}


def test_a_pair_of_surrogates_is_one_character() -> None:
    assert decode(b'{"prompt":"\\ud83d\\ude00"}', tables.GENERATE) == {"prompt": "😀"}


def test_images_are_base64_with_newlines_tolerated() -> None:
    assert decode(b'{"images":["aGVs\\nbG8="]}', tables.GENERATE) == {"images": [b"hello"]}


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ([], "array into Go value of type api.GenerateRequest"),
        ("x", "string into Go value of type api.GenerateRequest"),
        (5, "number into Go value of type api.GenerateRequest"),
        (True, "bool into Go value of type api.GenerateRequest"),
        ({"model": 5}, "number into Go struct field GenerateRequest.model of type string"),
        ({"stream": "no"}, "string into Go struct field GenerateRequest.stream of type bool"),
        ({"raw": 1}, "number into Go struct field GenerateRequest.raw of type bool"),
        ({"options": []}, "array into Go struct field GenerateRequest.options of type map[string]interface {}"),
        ({"context": "a"}, "string into Go struct field GenerateRequest.context of type []int"),
        ({"context": ["a"]}, "string into Go struct field GenerateRequest.context of type int"),
        ({"context": [1.5]}, "number 1.5 into Go struct field GenerateRequest.context of type int"),
        ({"top_logprobs": 2**70}, f"number {2**70} into Go struct field GenerateRequest.top_logprobs of type int"),
        ({"images": "x"}, "string into Go struct field GenerateRequest.images of type []api.ImageData"),
        ({"images": [5]}, "number into Go struct field GenerateRequest.images of type api.ImageData"),
        ({"images": ["!!!"]}, "illegal base64 data at input byte 0"),
        ({"images": ["data:image/png;base64,aGVsbG8="]}, "illegal base64 data at input byte 4"),
        ({"keep_alive": "10"}, 'time: missing unit in duration "10"'),
        ({"keep_alive": "x"}, 'time: invalid duration "x"'),
        ({"keep_alive": ""}, 'time: invalid duration ""'),
        ({"keep_alive": True}, "Unsupported type: 'bool'"),
        ({"keep_alive": []}, "Unsupported type: '[]interface {}'"),
        ({"keep_alive": {}}, "Unsupported type: 'map[string]interface {}'"),
        ({"think": "HIGH"}, 'invalid think value: "HIGH" (must be "high", "medium", "low", "max", true, or false)'),
        ({"think": 0}, 'think must be a boolean or string ("high", "medium", "low", "max", true, or false)'),
    ],
)
def test_a_wrong_type_is_named_in_gos_words(body: object, text: str) -> None:
    assert refusal(tables.GENERATE, body) == text


@pytest.mark.parametrize(
    ("messages", "text"),
    [
        ("x", "string into Go struct field ChatRequest.messages of type []api.Message"),
        ([1], "number into Go struct field ChatRequest.messages of type api.Alias"),
        ([{"content": [{}]}], "array into Go struct field ChatRequest.messages.content of type string"),
        (
            [{"tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]}],
            "Value looks like object, but can't find closing '}' symbol",
        ),
    ],
)
def test_a_message_of_the_wrong_shape_is_named(messages: object, text: str) -> None:
    assert refusal(tables.CHAT, {"messages": messages}) == text


def test_a_tool_keeps_known_keys_in_gos_order_and_its_properties_in_theirs() -> None:
    tool = {
        "function": {
            "parameters": {
                "properties": {"b": {"type": ["string"], "default": 1}, "a": {"enum": [1], "type": "integer"}},
                "additionalProperties": False,
                "type": "object",
            },
            "name": "f",
        },
        "type": "function",
    }
    decoded = decode(json.dumps({"tools": [tool]}).encode(), tables.CHAT)["tools"][0]
    assert json.dumps(decoded) == (
        '{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": '
        '{"b": {"type": "string"}, "a": {"type": "integer", "enum": [1]}}}}}'
    )


def test_deep_values_are_refused_by_name() -> None:
    assert refusal(tables.CHAT, b'{"format":' + b"[" * 500 + b"]" * 500 + b"}") == "exceeded max depth"


_TABLES = [table for table in vars(tables).values() if isinstance(table, tables.Struct)]
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from(_TABLES), st.data())
def test_any_values_under_known_keys_decode_or_are_refused_by_name(table: tables.Struct, data: st.DataObject) -> None:
    body = data.draw(st.dictionaries(st.sampled_from(sorted(table.fields)), _VALUES, max_size=6))
    try:
        fields = decode(json.dumps(body).encode(), table)
    except BodyInvalid as error:
        assert str(error)
    else:
        assert set(fields) <= set(table.fields)
