"""What the constraint leaves of the logits: always a way to a complete answer, never one past it."""

import json
import re
import threading

import numpy as np
import pytest
from hollama_samplers import hollama_samplers
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from hollama.engine.chain import Chain
from hollama.errors import RequestError
from hollama.interfaces import SamplerContext, SamplerSpec
from hollama.runtime.vocabulary import TokenizerVocabulary
from hollama.types import Thoughts
from tests.samplers.tokens import PIECES, STOPS, TOKENIZER, VOCABULARY, text, token

HOT = {"temperature": 1.5, "top_k": 0, "top_p": 1.0, "repeat_penalty": 1.3}
THOUGHTS = Thoughts("<think>", "</think>")
SIZE = TOKENIZER.vocab_size


def build(options, thoughts=None, vocabulary=VOCABULARY):
    (spec,) = [spec for spec in hollama_samplers() if spec.name == "constraint"]
    return spec.build(SamplerContext(options, (0,), SIZE, 64, vocabulary, thoughts))


def allowed(sampler):
    return np.flatnonzero(np.isfinite(sampler.apply(np.zeros(SIZE, np.float32)))).tolist()


def feed(sampler, *pieces):
    """The pieces allowed after these, each of which must be."""
    for piece in pieces:
        assert token(piece) in allowed(sampler), piece
        sampler.accept(token(piece))
    return [PIECES[found] if found < len(PIECES) else found for found in allowed(sampler)]


def answer(seed, most=300, thoughts=None, **options):
    """The tokens of a model that makes no sense at all, and whether it came to an end."""
    random = np.random.default_rng(seed)
    taste = np.zeros(SIZE, np.float32)
    taste[[token(piece) for piece in (b'"', b"}", b"]", b"</think>")]] = 5  # so that it does not go on for too long
    context = SamplerContext({**HOT, "seed": seed, **options}, (0,), SIZE, 64, VOCABULARY, thoughts)
    chain = Chain(hollama_samplers(), context)
    tokens = []
    while len(tokens) < most:
        drawn = chain.pick(random.normal(0, 3, SIZE).astype(np.float32) + taste)
        if drawn in STOPS:
            return tokens, True
        tokens.append(drawn)
    return tokens, False


NAMES = st.text('ab"\\é€ ', min_size=1, max_size=4)
EIGHTHS = st.integers(-99, 99).map(lambda count: count / 8)  # of few digits: the library reads long ones roughly
SCALARS = st.one_of(st.none(), st.booleans(), st.integers(-999, 999), EIGHTHS, st.text(max_size=5))
SMALL = st.integers(0, 3)
LEAVES = st.one_of(
    st.sampled_from(["string", "integer", "number", "boolean", "null"]).map(lambda kind: {"type": kind}),
    st.just({"$ref": "#/$defs/shared"}),
    st.just({"type": "string", "pattern": "^[a-c]{2,4}(-[0-9]+)?$"}),
    st.just({"type": "string", "format": "date"}),
    st.tuples(SMALL, SMALL).map(lambda two: {"type": "string", "minLength": two[0], "maxLength": sum(two)}),
    st.tuples(SMALL, SMALL).map(lambda two: {"type": "integer", "minimum": -two[0], "maximum": 90 * two[1]}),
    st.lists(SCALARS, min_size=1, max_size=4).map(lambda values: {"enum": values}),
    SCALARS.map(lambda value: {"const": value}),
)


def _branches(inner):
    objects = st.dictionaries(NAMES, inner, max_size=3).flatmap(
        lambda properties: st.lists(st.sampled_from(sorted(properties)), unique=True).map(
            lambda required: {
                "type": "object", "properties": properties, "required": required, "additionalProperties": False
            }
        )
        if properties
        else st.just({"type": "object", "additionalProperties": {"type": "integer"}})
    )  # fmt: skip
    arrays = st.tuples(inner, SMALL, SMALL).map(
        lambda three: {"type": "array", "items": three[0], "minItems": three[1], "maxItems": three[1] + three[2]}
    )
    choices = st.lists(inner, min_size=1, max_size=3).map(lambda several: {"anyOf": several})
    return st.one_of(objects, arrays, choices)


SCHEMAS = st.recursive(LEAVES, _branches, max_leaves=8).map(
    lambda schema: {**schema, "$defs": {"shared": {"type": "array", "items": {"enum": ["x", "é€"]}, "maxItems": 2}}}
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(schema=SCHEMAS, seed=st.integers(0, 99))
def test_an_answer_that_ends_keeps_to_its_schema(schema, seed):
    tokens, ended = answer(seed, format=schema)
    if ended:
        Draft202012Validator(schema).validate(json.loads(text(tokens)))


def test_most_answers_come_to_an_end():
    """Else the test above would say little."""
    schema = {
        "type": "object",
        "properties": {"a": {"type": "string"}, "b": {"type": "array", "items": {"type": "number"}}},
    }
    assert sum(answer(seed, format=schema)[1] for seed in range(20)) >= 15


@pytest.mark.parametrize("seed", range(12))
def test_json_is_json(seed):
    tokens, ended = answer(seed, format="json")
    assert not ended or isinstance(json.loads(text(tokens)), dict | list)


def test_an_answer_is_the_same_every_time():
    assert answer(5, format="json") == answer(5, format="json")


def test_tokens_may_split_characters_and_escapes():
    sampler = build({"format": {"type": "string"}})
    rest = feed(sampler, b'"', b"\xe2\x82")
    assert b"\xac" in rest
    assert b"a" not in rest
    assert b'"' not in rest
    assert feed(sampler, b'\xac"') == list(STOPS)
    sampler.reset()
    rest = feed(sampler, b'"', b"\\u", b"00", b"1", b"9")
    assert b'"' in rest
    sampler.reset()
    assert b'"' not in feed(sampler, b'"', b"\\u00", b"1")


def test_only_an_end_may_follow_a_complete_answer_and_only_that():
    sampler = build({"format": {"enum": ["ab"]}})
    assert feed(sampler) == [b'"']
    assert not set(STOPS) & set(feed(sampler, b'"', b"a", b"b"))
    assert feed(sampler, b'"') == list(STOPS)


def test_a_number_may_end_or_go_on():
    rest = feed(build({"format": {"type": "integer"}}), b"12")
    assert {*STOPS, b"0", b"12"} <= set(rest)
    assert b".5" not in rest


def test_a_stop_token_with_a_text_is_no_part_of_the_answer():
    stop = token(b"a")
    sampler = build({"format": {"type": "string"}}, vocabulary=TokenizerVocabulary(TOKENIZER, SIZE, frozenset([stop])))
    sampler.accept(token(b'"'))
    assert stop not in allowed(sampler)
    sampler.accept(token(b'"'))
    assert allowed(sampler) == [stop]


def test_whitespace_comes_to_an_end():
    sampler = build({"format": "json"})
    feed(sampler, b"{")
    blank = {token(piece) for piece in (b" ", b"\n", b"\t", b"\r", b"  ", b"\n\n")}
    taken = 0
    while taken < 30 and (blanks := blank & set(allowed(sampler))):
        sampler.accept(min(blanks))
        taken += 1
    assert 1 <= taken < 25


@pytest.mark.parametrize("name", ["penalties", "everything"])
def test_what_is_forbidden_stays_so(name):
    """A penalty must not lift a token of the recent text off minus infinity."""
    sampler = build({"format": {"enum": ["aaaa"]}})
    chain = Chain(
        hollama_samplers(), SamplerContext({**HOT, "format": {"enum": ["aaaa"]}}, (97,), SIZE, 64, VOCABULARY)
    )
    penalties = next(spec for spec in hollama_samplers() if spec.name == "penalties")
    logits = sampler.apply(np.zeros(SIZE, np.float32))
    if name == "penalties":
        left = penalties.build(SamplerContext(HOT, (97, 98), SIZE, 64)).apply(logits)
        assert np.flatnonzero(left > -np.inf).tolist() == [token(b'"')]
    else:
        assert [chain.pick(np.zeros(SIZE, np.float32)) for _ in range(6)] == [token(bytes([c])) for c in b'"aaaa"']


def test_a_clone_goes_its_own_way_and_a_reset_begins_again():
    sampler = build({"regex": "ab|cd"})
    sampler.accept(token(b"a"))
    twin = sampler.clone()
    sampler.accept(token(b"b"))
    assert allowed(sampler) == list(STOPS)
    assert allowed(twin) == [token(b"b")]
    sampler.reset()
    assert allowed(sampler) == [token(b"a"), token(b"c")]


def test_a_token_that_is_forbidden_is_an_error():
    with pytest.raises(RequestError, match="cannot be followed"):
        build({"regex": "ab"}).accept(token(b"x"))


@pytest.mark.parametrize(
    "options",
    [
        {"regex": "(yes|no)!"},
        {"gbnf": 'root ::= ("yes" | "no") "!"'},
        {"lark": 'start: ("yes" | "no") "!"'},
        {"lark": 'start: WORD "!"\nWORD: "yes" | "no"\n%ignore / /'},
    ],
)
def test_grammars_of_three_notations(options):
    assert {text(answer(seed, **options)[0]).replace(" ", "") for seed in range(8)} == {"yes!", "no!"}


def test_thoughts_are_free_and_the_answer_is_not():
    for seed in range(8):
        tokens, ended = answer(
            seed, thoughts=Thoughts("<think>", "</think>", begun=True), format={"enum": [["a"], 1.5]}
        )
        _, tag, rest = b"".join(map(TOKENIZER.piece, tokens)).partition(b"</think>")
        assert ended
        assert tag
        assert json.loads(rest) in (["a"], 1.5)


def test_a_model_may_leave_out_its_thoughts():
    assert b'{"' in feed(build({"format": "json"}, THOUGHTS))
    assert b"{" in feed(build({"format": "json"}, THOUGHTS), b"\n", b"<think>", "naïve".encode())
    assert b"a" not in feed(build({"format": "json"}, THOUGHTS))


@pytest.mark.parametrize("pieces", [(b"</", b"think", b'>\n{"'), (b'</think>{"',), (b"</think>", b"\n", b"{", b'"')])
def test_the_answer_begins_behind_the_tag_also_within_a_token(pieces):
    sampler = build(
        {"format": {"type": "object", "properties": {"a": {"const": 1}}, "additionalProperties": False}}, THOUGHTS
    )
    assert feed(sampler, b"<think>", b"<", b"a", *pieces) == [b"a"]


def test_nothing_ends_within_a_thought():
    rest = feed(build({"format": "json"}, THOUGHTS), b"<think>", b"a")
    assert not set(STOPS) & set(rest)
    assert {b"{", b"<think>", b"</think>", "naïve".encode()} <= set(rest)


def test_a_vocabulary_is_prepared_once_for_all_threads():
    made = []
    vocabulary = TokenizerVocabulary(TOKENIZER, SIZE, frozenset(STOPS))
    threads = [threading.Thread(target=lambda: vocabulary.derive(made.append)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert made == [vocabulary]


def test_a_third_party_constrains_in_the_same_way():
    def digits(vocabulary):
        return np.array([bool(re.fullmatch(rb"\d+", piece)) for piece in vocabulary.pieces()])

    def build(context):
        mask = context.vocabulary.derive(digits)
        return lambda logits: np.where(mask, logits, np.float32(-np.inf))

    chain = Chain([SamplerSpec("digits", 40, build)], SamplerContext({"seed": 1}, (0,), SIZE, 64, VOCABULARY))
    assert text([chain.pick(np.zeros(SIZE, np.float32)) for _ in range(20)]).isdecimal()


@pytest.mark.parametrize("vocabulary", [None, TokenizerVocabulary(TOKENIZER, SIZE, frozenset())])
def test_without_stop_tokens_no_answer_could_end(vocabulary):
    with pytest.raises(RequestError, match="no stop token"):
        build({"format": "json"}, vocabulary=vocabulary)


def test_nothing_is_asked_nothing_is_built():
    assert build({"format": None, "temperature": 0}) is None
