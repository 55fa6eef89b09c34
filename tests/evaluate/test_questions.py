"""Multiple choice, last words and sums against NumPy, with prompts written out by hand."""

from __future__ import annotations

import asyncio
import json
import re
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hollama.engine import Engine
from hollama.evaluate.asking import Asker
from hollama.evaluate.coder import Coder
from hollama.evaluate.data import FileSource
from hollama.evaluate.evaluation import Plan, evaluate
from hollama.evaluate.question import Writing
from hollama.evaluate.tasks.gsm8k import _bare, judged
from hollama.evaluate.tasks.hellaswag import clean
from hollama.evaluate.tasks.mmlu import TASK as MMLU
from hollama.evaluate.tasks.wikitext_pages import plain
from hollama.plugins import load_plugins
from tests.evaluate.conftest import CONTEXT

ENDINGS = [
    ["runs off.", "is a long tall tree.", "sat", "sings a song"],
    ["eats", "drinks the milk", "goes to sea, alone", "no"],
    ["up", "down and out", "left", "right at the door"],
]
CONTEXTS = ["Cats: A cat sees a dog. It", "Food: The cat is hungry. The cat", "Walking: He walks. he goes"]


def rows(labels: list[int]) -> str:
    """JSON lines with the hub's fields."""
    lines = []
    for context, endings, label in zip(CONTEXTS, ENDINGS, labels, strict=True):
        topic, text = context.split(": ")
        first, second = text.rsplit(". ", 1)
        row = {"activity_label": topic, "ctx_a": f"{first}.", "ctx_b": second.lower(), "endings": endings}
        lines.append(json.dumps({**row, "label": str(label)}))
    return "\n".join(lines)


def best(oracle, context: str, choices: list[str]) -> tuple[int, int]:
    """The most probable choice, and the most probable a character."""
    sums = np.array([oracle.said(context, f" {choice}") for choice in choices])
    return int(sums.argmax()), int((sums / [len(choice) for choice in choices]).argmax())


def test_hellaswag(oracle, write):
    contexts = [*CONTEXTS[:2], "Walking: He walks. He goes"]  # the second part begins with a capital
    found = [best(oracle, *pair) for pair in zip(contexts, ENDINGS, strict=True)]
    labels = [found[0][0], found[1][1], (found[2][0] + 1) % 4]
    expected = {
        "acc": np.mean([plain == label for (plain, _), label in zip(found, labels, strict=True)]),
        "acc_norm": np.mean([normed == label for (_, normed), label in zip(found, labels, strict=True)]),
    }
    assert oracle.figures("hellaswag", write("h.jsonl", rows(labels))) == expected
    lines = ["\n".join([c, str(n), *e]) for c, n, e in zip(contexts, labels, ENDINGS, strict=True)]
    assert oracle.figures("hellaswag", write("h.txt", "\n".join(lines) + "\n")) == expected


def test_wikihow_marks_are_cleaned_away():
    assert clean(" Wash [header] your cat [title] Take  soap [step] it ") == "Wash your cat. Take soap it"


@given(st.text("[]x \n"))
def test_marks_are_what_the_harnesss_pattern_finds(text):
    expected = re.sub(r"\[.*?\]", "", text.strip().replace(" [title]", ". ")).replace("  ", " ")
    assert clean(text) == expected


@given(st.text("#.$, 5\n"), st.text("#.$, 5\n"))
def test_numbers_are_bared_as_the_harnesss_patterns_do(before, after):
    text = f"{before}#### {after}"
    for number in (text, before):
        bare = number
        for pattern in (",", r"\$", r"(?s).*#### ", r"\.$"):
            bare = re.sub(pattern, "", bare)
        assert _bare(number) == bare


@pytest.mark.parametrize(
    ("work", "text"),
    [(clean, "[" * 40_000), (_bare, "a" * 200_000), (plain, "(" * 40_000), (plain, "{" + " " * 3_000)],
    ids=["hellaswag", "gsm8k", "wikitext", "spaces"],
)
def test_time_grows_no_faster_than_the_text(work, text):
    began = time.process_time()
    work(text)
    assert time.process_time() - began < 1


HEAD = "The following are multiple choice questions (with answers) about sea life.\n\n"
CSV = "question,choice0,choice1,choice2,choice3,answer\n"


def test_mmlu_without_examples(oracle, write):
    path = write(
        "sea_life_test.csv", CSV + 'Who swims?,A cat,"A fish, mostly",A tree,Sand,1\n"Who ""barks""?",a,b,c,d,D\n'
    )
    asked = [
        f"{HEAD}Who swims?\nA. A cat\nB. A fish, mostly\nC. A tree\nD. Sand\nAnswer:",
        f'{HEAD}Who "barks"?\nA. a\nB. b\nC. c\nD. d\nAnswer:',
    ]
    room = CONTEXT - 2  # longer prompts lose their beginning
    said = [[oracle.logprob(oracle.ids(text)[-room:], oracle.ids(f" {x}")) for x in "ABCD"] for text in asked]
    expected = np.mean([np.argmax(sums) == right for sums, right in zip(said, (1, 3), strict=True)])
    assert oracle.figures("mmlu", path) == {"acc": expected}


def test_mmlu_by_subject(quantised, write):
    """Whatever it answers, and it answers the same to all, one subject of four is all right."""
    for count, letter in enumerate("ABCD", 1):
        folder = write(f"{letter}s_test.csv", CSV + f"1+1?,2,3,4,5,{letter}\n" * count).parent
    plan = Plan((quantised.subject,), {"mmlu": FileSource(folder)}, limit=3)
    (outcome,) = evaluate(plan, load_plugins(), lambda *step: None)
    assert [(group.task, group.items) for group in outcome.groups] == [("As", 1), ("Bs", 2), ("Cs", 3), ("Ds", 3)]
    (right,) = [group.items for group in outcome.groups if group.metrics["quantised"][0].value == 1]
    figures = {metric.name: metric.value for metric in outcome.metrics["quantised"]}
    assert figures == pytest.approx({"acc": right / 9, "acc_macro": 1 / 4})


def test_mmlu_examples_stand_before_the_question(quantised, write):
    write("dev/sea_life_dev.csv", CSV + "".join(f"Example {n}?,p,q,r,s,{n % 4}\n" for n in range(7)))
    folder = write("test/sea_life_test.csv", CSV + "Who swims?,p,q,r,s,B\n").parents[1]
    questions = MMLU.read(FileSource(folder), quantised.subject.coder(load_plugins()))
    shots = "".join(f"Example {n}?\nA. p\nB. q\nC. r\nD. s\nAnswer: {'ABCD'[n % 4]}\n\n" for n in range(5))
    assert questions.docs == [(f"{HEAD}{shots}Who swims?\nA. p\nB. q\nC. r\nD. s\nAnswer:", 1)]
    assert questions.note == "5-shot, cut to 64 tokens"


def test_lambada(oracle, write):
    passages = ["The cat saw the sea", "She said that it was a dog", "One"]
    path = write("lambada.jsonl", "".join(json.dumps({"text": text}) + "\n" for text in passages))
    parts = [text.rpartition(" ") for text in passages]
    sums, greedy = [], []
    for context, _, word in parts:
        before, after = oracle.ids(context) or [258], oracle.ids(f" {word}")
        sums.append(oracle.logprob(before, after))
        greedy.append(oracle.greedy(before, len(after)) == after)
    assert oracle.figures("lambada", path) == oracle.near(
        {"acc": np.mean(greedy), "perplexity": np.exp(-np.mean(sums))}
    )


def test_gsm8k_asks_and_reads_numbers(oracle, write, monkeypatch):
    monkeypatch.setattr("hollama.evaluate.tasks.gsm8k._MOST", 12)
    question = "Tom has 3 cats and buys 2. How many?"
    prompt = oracle.ids(f"Question: {question}\nAnswer:")[-(CONTEXT - 12) :]
    said = oracle.tokenizer.decode(oracle.greedy(prompt, 12))
    path = write("test.jsonl", json.dumps({"question": question, "answer": "3 + 2 = 5\n#### 5"}))
    assert oracle.figures("gsm8k", path) == judged(said, "3 + 2 = 5\n#### 5")


def test_a_written_answer_is_what_greedy_decoding_gives(oracle):
    plugins = load_plugins()
    prompt = tuple(oracle.ids("The cat "))
    samplers = [entry.spec for entry in plugins.samplers.values()]

    async def ask() -> str:
        engine = Engine(oracle.subject.load(plugins, 2), samplers, parallel=2, context=CONTEXT)
        try:
            return (await Asker(engine, oracle.subject.coder(plugins)).answer(Writing(prompt, 20, ("\x00",)))).text
        finally:
            engine.close()

    tokens = [token for token in oracle.greedy(prompt, 20) if token != 258]
    assert asyncio.run(ask()) == oracle.tokenizer.decode(tokens).partition("\x00")[0]


@pytest.mark.parametrize(
    ("text", "strict", "flexible"),
    [
        (" 3 + 2 = 5\n#### 5", 1, 1),
        ("#### 5 and then 7", 1, 0),
        ("so it is 5", 0, 1),
        ("It costs $5.", 0, 1),
        ("#### 5.", 1, 1),
        ("#### 6", 0, 0),
        ("none", 0, 0),
        ("#### -5", 0, 0),
    ],
)
def test_answers_are_read_as_the_harness_reads_them(text, strict, flexible):
    assert judged(text, "work <<3+2=5>>\n#### 5") == {"strict": strict, "flexible": flexible}


def test_numbers_with_commas_are_the_same_number():
    assert judged("#### 1,234", "#### 1234") == {"strict": 1, "flexible": 1}


class Words:
    """A tokenizer whose tokens are words with the space before them, so that spaces change what is encoded."""

    vocab_size = 1000

    def encode(self, text: str, *, begin: bool = False) -> list[int]:
        return ([1] if begin else []) + [100 + len(word) for word in re.findall(r" ?\w+| ", text)]

    def piece(self, token: int) -> bytes:
        return b""

    def control(self, token: int) -> bool:
        return False


def test_spaces_that_end_a_context_belong_to_the_continuation():
    scoring = Coder(Words(), True, 1, frozenset(), 64).pair("one three ", "seven")
    assert (scoring.context, scoring.continuation) == ((1, 103, 106), (106,))


def test_what_is_too_long_loses_its_beginning():
    scoring = Coder(Words(), True, 1, frozenset(), 4).pair("a bb ccc dddd", " eeeee")
    assert (scoring.context, scoring.continuation) == ((103, 104, 105), (106,))
