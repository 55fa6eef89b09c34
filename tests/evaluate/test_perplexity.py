"""Perplexity tasks against sums computed with NumPy, on windows cut by hand."""

from __future__ import annotations

import json
import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hollama.errors import EvaluationError
from hollama.evaluate.metrics import Metric, item_perplexity, unit_perplexity
from hollama.evaluate.tasks.wikitext_pages import pages, plain
from tests.evaluate.conftest import CONTEXT, END

STORY = "Once upon a time there was a cat that lived by the sea, and each day it counted the boats. " * 3


def in_windows(oracle, text: str) -> dict[str, float]:
    ids = oracle.ids(text)
    windows = [ids[start : start + CONTEXT] for start in range(0, len(ids) - CONTEXT + 1, CONTEXT)]
    lost = -sum(oracle.logprob(window[:1], window[1:]) for window in windows)
    return {"perplexity": math.exp(lost / (len(windows) * (CONTEXT - 1)))}


def test_a_text_in_windows(oracle, write):
    assert oracle.figures("text", write("story.txt", STORY)) == oracle.near(in_windows(oracle, STORY))


def test_wikitext_is_joined_as_gptq_joins_the_rows_of_the_hub(oracle, write):
    raw = " \n = Cats = \n \n A cat @-@ like animal sat . \n It saw the sea , and slept . \n \n"
    joined = "\n\n".join(
        ["", " = Cats = \n", "", " A cat @-@ like animal sat . \n", " It saw the sea , and slept . \n", ""]
    )
    assert oracle.figures("wikitext", write("wiki.raw", raw)) == oracle.near(in_windows(oracle, joined))


def test_c4_is_joined_by_spaces(oracle, write):
    documents = [STORY[:70], "Another one.\nIt has two lines.", STORY[40:90]]
    path = write("c4.jsonl", "".join(json.dumps({"text": text, "url": "x"}) + "\n" for text in documents))
    assert oracle.figures("c4", path) == oracle.near(in_windows(oracle, " ".join(documents)))


def test_pages_predict_every_token_once(oracle, write):
    raw = f" \n = Cats = \n \n {STORY} \n = = Food = = \n Fish . \n = Dogs = \n They bark . \n"
    lost = words = size = 0.0
    for page in (f" = Cats = \n \n {STORY} \n = = Food = = \n Fish . ", " = Dogs = \n They bark . \n"):
        ids, before = oracle.ids(plain(page)), [END]
        for start in range(0, len(ids), CONTEXT - 1):
            part = ids[start : start + CONTEXT - 1]
            lost -= oracle.logprob([*before, *ids[:start]][-(CONTEXT - len(part)) :], part)
        words += len(re.split(r"\s+", page))
        size += len(page.encode())
    expected = {"word_perplexity": math.exp(lost / words), "byte_perplexity": math.exp(lost / size)}
    found = oracle.figures("wikitext-pages", write("wiki.raw", raw))
    assert found == oracle.near({**expected, "bits_per_byte": lost / size / math.log(2)})


def test_pages_begin_with_a_heading_of_the_first_level():
    text = " \n = One = \n \n Text . \n = = Part = = \n More . \n = Two = \n End . \n"
    assert list(pages(text)) == [" = One = \n \n Text . \n = = Part = = \n More . ", " = Two = \n End . \n"]


def test_a_page_is_undone_of_its_tokenisation():
    page = ' = Cats = \n The cat \'s well @-@ fed tail , 1 @,@ 000 hairs ( or so ) , " shines " . \n'
    assert plain(page) == ' = Cats =\nThe cat\'s well-fed tail, 1,000 hairs (or so), "shines".\n'


PAIRS = (r"\(\s*([^\)]*?)\s*\)", r"\[\s*([^\]]*?)\s*\]", r"{\s*([^}]*?)\s*}")
QUOTES = (r"\"\s*([^\"]*?)\s*\"", r"'\s*([^']*?)\s*'")


@given(st.text("()[]{}\"'x \n", max_size=40))
def test_pairs_are_what_the_harnesss_patterns_find(text):
    expected = text.replace("s '", "s'")
    for pattern, (opening, closing) in zip((*PAIRS, *QUOTES), ("()", "[]", "{}", '""', "''"), strict=True):
        expected = re.sub(pattern, lambda pair, o=opening, c=closing: f"{o}{pair[1]}{c}", expected)
    assert plain(text) == expected.replace(" \n", "\n").replace("\n ", "\n")


@pytest.mark.parametrize("lost", [709, 1e5, 1e99])
def test_a_perplexity_beyond_floats_is_infinite(lost):
    results = [{"logprob": -lost, "tokens": 1}, {"logprob": -lost - 9, "tokens": 1}]
    assert unit_perplexity("p", "tokens", results) == Metric("p", math.inf, None)
    assert item_perplexity(results) == Metric("perplexity", math.inf, None)


def test_a_text_shorter_than_a_window_is_refused(quantised, write):
    with pytest.raises(EvaluationError, match=r"5 tokens .* window of 64.*--context"):
        quantised.figures("text", write("short.txt", "Hello"))
