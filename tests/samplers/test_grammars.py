"""Whatever is sent as a schema or a grammar: a grammar comes of it, or a refusal in plain words, and soon."""

import time

import pytest
from hollama_samplers.grammars import check, grammar
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hollama.errors import RequestError

KEYS = st.sampled_from(
    [
        "type",
        "properties",
        "items",
        "required",
        "enum",
        "const",
        "$ref",
        "$defs",
        "anyOf",
        "oneOf",
        "allOf",
        "pattern",
        "minLength",
        "maxItems",
        "minimum",
        "multipleOf",
        "not",
        "format",
        "if",
        "x-guidance",
        "additionalProperties",
    ]
)
WORDS = st.sampled_from(["string", "object", "array", "#", "#/$defs/a", "#/anyOf/0", "(", "^[a-z]*$", "date", "\ud800"])
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=6), WORDS),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.one_of(KEYS, st.text(max_size=3)), inner)),
    max_leaves=12,
)
SCHEMAS = st.dictionaries(KEYS, VALUES, max_size=5)
LINES = st.text("root:= ()[]{}|*+?~\"'/\\.-^#@<>%a0Z\n,&$", max_size=60)
HURRIED = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def refused_or_fine(**options):
    began = time.monotonic()
    try:
        check(options)
    except RequestError as error:
        assert str(error)
    assert time.monotonic() - began < 5


@HURRIED
@given(schema=SCHEMAS)
def test_any_schema(schema):
    refused_or_fine(format=schema)


@HURRIED
@given(name=st.sampled_from(["regex", "gbnf", "lark"]), text=LINES, whole=st.booleans())
def test_any_grammar(name, text, whole):
    start = {"regex": "", "gbnf": "root ::= ", "lark": "start: "}[name]
    refused_or_fine(**{name: (start if whole else "") + text})


@pytest.mark.parametrize(
    "schema",
    [
        {"pattern": "(a{1000}){1000}"},
        {"pattern": {"a": "x" + "é" * 90}},  # over which the library panics
        {"pattern": "(.*a){30}" * 20},
        {"type": "array", "items": {"type": "array", "minItems": 10**9}, "minItems": 10**9},
        {"enum": ["x" * 100_000]},
        {"$ref": "#"},
        {"anyOf": [{"$ref": "#/anyOf/1"}, {"$ref": "#/anyOf/0"}]},
        {"$defs": {"a": {"allOf": [{"$ref": "#/$defs/a"}]}}, "$ref": "#/$defs/a"},
        {"properties": {f"p{n}": {"type": "string"} for n in range(3000)}},
    ],
)
def test_greedy_schemas(schema):
    refused_or_fine(format=schema)


def test_a_schema_of_any_depth():
    deep = {}
    for _ in range(9_999):  # as deep as a body may be
        deep = {"items": deep}
    refused_or_fine(format=deep)


def test_nothing_asked():
    assert grammar({"format": None, "regex": None}) == ""


def test_the_names_of_a_schema_keep_their_order():
    text = grammar({"format": {"properties": {"z": {}, "a": {}, "m": {}}}})
    assert text.index('"z"') < text.index('"a"') < text.index('"m"')
