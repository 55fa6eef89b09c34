"""The recipe of hollie: its corpus is deterministic, right and honest about what is held out. Needs no torch."""

from __future__ import annotations

import itertools
import json
import os
import random
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from hollama import types
from hollama.modelfile import parse
from hollama.template import GoTemplate, JinjaTemplate, TemplateValues

MODELFILES = Path(__file__).resolve().parents[2] / "modelfiles"
sys.path.insert(0, str(MODELFILES))

from hollie import corpus, phrase, words  # noqa: E402
from hollie.sample import Check, Message, Sample, Tool, assistant, call, called, judged, result, system, user  # noqa: E402
from hollie.skills import arithmetic, knowledge  # noqa: E402

CONTEXT = 2048
TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather", "description": "Get the weather",
        "parameters": {
            "type": "object", "required": ["city"], "properties": {"city": {"type": "string", "description": "A city"}},
        },
    },
}


def drawn(split: str, count: int, seed: int = 5) -> list[Sample]:
    return list(itertools.islice(corpus.stream(seed, split), count))


TRAINED, HELD = drawn("train", 3000), drawn("test", 1000)


CHAT = JinjaTemplate((MODELFILES / "hollie" / "chat_template.jinja").read_text("utf-8"))
RECIPE = parse((MODELFILES / "hollie" / "Modelfile").read_bytes())


def jinja(messages: Sequence[Message], tools: Sequence[Tool] = (), prompt: bool = True) -> str:
    return CHAT.render_chat(messages, tools, add_generation_prompt=prompt)


def go(messages: Sequence[Message], tools: Sequence[Tool] = ()) -> str:
    """The Modelfile's template."""
    typed = [
        types.Message(
            message["role"], message["content"],
            tool_calls=tuple(types.ToolCall(**entry["function"]) for entry in message.get("tool_calls", ())),
        )
        for message in messages
    ]
    return GoTemplate.parse(RECIPE.last("template")).render(TemplateValues(messages=typed, tools=tools))


def unspaced(text: str) -> str:
    """Go prints JSON compactly and with its keys sorted, Python does not; what is left is the same."""
    lines = text.replace(", ", ",").replace(": ", ":").split("\n")
    return "\n".join("".join(sorted(line)) if line.startswith("{") else line for line in lines)


def test_the_same_seed_gives_the_same_corpus() -> None:
    assert drawn("train", 300) == TRAINED[:300]
    assert drawn("train", 300, seed=6) != TRAINED[:300]


def test_another_process_draws_the_same_corpus() -> None:
    def printed(hash_seed: str) -> str:
        command = [sys.executable, "-m", "hollie.corpus", "--count", "100"]
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        return subprocess.check_output(command, cwd=MODELFILES, env=environment, text=True)

    assert printed("1") == printed("2") != ""


def test_every_skill_is_drawn() -> None:
    assert {sample.skill for sample in TRAINED} == set(corpus.SKILLS) | {"mixed"}


def wordings() -> list[phrase.Wordings]:
    """Every pair of trained and held-out patterns in the modules of the skills."""
    found: list[phrase.Wordings] = []

    def search(value: object, depth: int) -> None:
        if isinstance(value, phrase.Wordings):
            found.append(value)
        elif isinstance(value, dict):
            for inner in value.values():
                search(inner, depth)
        elif depth and hasattr(value, "__dataclass_fields__"):
            search(vars(value), depth - 1)

    for name in [name for name in sys.modules if name.startswith("hollie.skills.")]:
        search(vars(sys.modules[name]), 2)
    return found


def plain(text: str) -> str:
    """The wording without the manners and marks that the corpus adds at random."""
    stripped = re.sub(r"^(please|hey,|hi,|ok,|so|and|well,) ", "", text.lower().strip())
    stripped = re.sub(r"[ ,]*(please|[.?!])$", "", stripped).strip()
    return text if stripped == text else plain(stripped)


def variants(patterns: Sequence[str]) -> set[str]:
    rng = random.Random(1)
    return {plain(phrase.expand(pattern, rng)) for pattern in patterns for _ in range(100)}


def test_no_held_out_wording_is_trained_anywhere() -> None:
    pairs = wordings()
    assert len(pairs) > 100
    trained = set().union(*(variants(pair.train) for pair in pairs))
    held = set().union(*(variants(pair.test) for pair in pairs))
    assert trained & held <= {"{key} {x}"}


@pytest.mark.parametrize("kind", ["do", "what", "ask"])
def test_no_held_out_topic_is_trained(kind: str) -> None:
    trained = set().union(*(variants(fact.get(kind, ())) for fact in knowledge.facts()))
    held = set().union(*(variants(fact.get(f"{kind}_test", ())) for fact in knowledge.facts()))
    assert held and not trained & held


@pytest.mark.parametrize("skill", corpus.SKILLS)
def test_no_held_out_question_is_trained(skill: str) -> None:
    rng = random.Random(3)

    def asked(split: str) -> str:
        """The last question; of an instruction it is the system text that is held out, so both."""
        messages = corpus.SKILLS[skill](rng, split).messages
        rule = f"{messages[0]['content']}\n" if skill == "instructions" else ""
        return rule + str(messages[-2]["content"])

    held, trained = {asked("test") for _ in range(100)}, {asked("train") for _ in range(2000)}
    assert not {question for question in held & trained if not question.startswith(("<", "{"))}


def test_every_fact_can_be_asked_in_held_out_words_and_its_answer_passes() -> None:
    for fact in knowledge.facts():
        assert any(f"{kind}_test" in fact for kind in ("do", "what", "ask")), fact
        assert judged(Check("keys", fact["keys"]), assistant(fact["answer"])), fact


def test_held_out_names_are_never_trained() -> None:
    rng = random.Random(2)
    held = {name for name in words.NAMES if phrase.held_out(name)}
    assert held & {words.name(rng, "test") for _ in range(500)}
    assert not held & {words.name(rng, "train") for _ in range(5000)}


def test_the_expected_answer_passes_its_own_check() -> None:
    for sample in [*TRAINED, *HELD]:
        assert judged(sample.check, sample.messages[-1]), sample


def test_wrong_answers_fail() -> None:
    assert not judged(Check("number", 5), assistant("2 + 2 = 4"))
    assert not judged(Check("json", {"a": 1}), assistant('{"a": 1'))
    assert not judged(Check("call", ["f", {"a": 1}]), call("f", {"a": 2}))
    assert not judged(Check("keys", ["hello"]), call("f", {}))
    assert not judged(Check("exact", "yes"), assistant("yes."))


def test_every_sample_fits_the_context() -> None:
    tokens = re.compile(r"\w+|[^\w\s]|\s")  # more pieces than the tokenizer makes of anything but odd words
    longest = max(len(corpus.text(sample)) for sample in TRAINED)
    assert longest < CONTEXT * 6
    assert sum(len(tokens.findall(corpus.text(sample))) > CONTEXT * 1.2 for sample in TRAINED) <= len(TRAINED) // 200


def test_sums_are_right() -> None:
    said = [m["content"] for sample in TRAINED + HELD for m in sample.messages if m["role"] == "assistant"]
    sums = [found.groups() for text in said if (found := re.fullmatch(r"(\d+) ([-+*]) (\d+) = (-?\d+)", text))]
    assert len(sums) > 500
    for a, sign, b, value in sums:
        assert int(value) == {"+": int(a) + int(b), "-": int(a) - int(b), "*": int(a) * int(b)}[sign]


def test_held_out_sums_are_never_trained() -> None:
    rng = random.Random(4)
    trained = {arithmetic.numbers(rng, "train", story=False) for _ in range(3000)}
    held = {arithmetic.numbers(rng, "test", story=False) for _ in range(1000)}
    assert {numbers[1] for numbers in trained & held} <= {"*"}


def test_json_answers_parse_and_have_the_wanted_keys() -> None:
    answers = [sample for sample in TRAINED if sample.skill == "json"]
    assert len(answers) > 200
    for sample in answers:
        value = json.loads(sample.messages[-1]["content"])
        assert value == sample.check.value
        assert all(key in sample.messages[-2]["content"] for key in value)


TYPES = {"string": str, "integer": int, "number": (int, float), "boolean": bool}


def test_tool_calls_fit_the_offered_signatures() -> None:
    seen = 0
    for sample in TRAINED + HELD:
        offered = {tool["function"]["name"]: tool["function"]["parameters"] for tool in sample.tools}
        assert len(offered) == len(sample.tools)
        for message in sample.messages:
            for entry in message.get("tool_calls") or ():
                signature, arguments = offered[entry["function"]["name"]], entry["function"]["arguments"]
                assert set(signature["required"]) <= set(arguments) <= set(signature["properties"])
                for name, value in arguments.items():
                    assert isinstance(value, TYPES[signature["properties"][name]["type"]])
                assert called(assistant(corpus.spoken(message))) == (entry["function"]["name"], arguments)
                seen += 1
    assert seen > 150


def test_the_learned_part_is_what_the_assistant_says() -> None:
    messages = (system("S"), user("U"), call("f", {"a": 1}), result("R"), assistant("A"))
    sample = Sample("x", messages, Check("exact", "A"), (TOOL,))
    learned = [text for text, said in corpus.segments(sample, True) if said]
    assert learned == ['<tool_call>\n{"name": "f", "arguments": {"a": 1}}\n</tool_call><|im_end|>', "A<|im_end|>"]


def test_the_template_renders_the_documented_text() -> None:
    line = json.dumps(TOOL)
    assert jinja([user("Hi")]) == "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
    assert jinja([system("Be brief."), user("Hi")]) == (
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
    )
    assert jinja([system("Be brief."), user("Hi")], [TOOL]) == (
        "<|im_start|>system\nBe brief.\n\n# Tools\n\nYou may call one or more functions to assist with the user query."
        "\n\nYou are provided with function signatures within <tools></tools> XML tags:\n<tools>\n" + line +
        "\n</tools>\n\nFor each function call, return a json object with function name and arguments within "
        "<tool_call></tool_call> XML tags:\n<tool_call>\n"
        '{"name": <function-name>, "arguments": <args-json-object>}\n</tool_call><|im_end|>\n'
        "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
    )


def test_the_corpus_is_what_the_template_renders() -> None:
    for sample in [*TRAINED[:300], *HELD[:300]]:
        assert corpus.text(sample, compact=False) == jinja(sample.messages, sample.tools, prompt=False)


def test_go_and_jinja_render_the_same_prompt() -> None:
    for sample in [*TRAINED[:200], *HELD[:200]]:
        asked = sample.messages[:-1]
        assert unspaced(go(asked, sample.tools)) == unspaced(jinja(asked, sample.tools))


def test_several_tool_results_share_a_turn() -> None:
    two = call("f", {"a": 1})
    two["tool_calls"] *= 2
    messages = [user("U"), two, result("R"), result("S")]
    text = corpus.text(Sample("x", tuple(messages), Check("exact", "")), compact=False)
    assert jinja(messages, prompt=False) == text
    assert "<tool_response>\nR\n</tool_response>\n<tool_response>\nS\n</tool_response><|im_end|>" in text
    assert unspaced(go(messages)) == unspaced(text + "<|im_start|>assistant\n")


def test_go_continues_an_answer_that_has_begun() -> None:
    assert go([user("Hi"), assistant("Well, ")]).endswith("<|im_start|>assistant\nWell, ")


def test_the_recipe_stops_at_the_end_of_a_turn() -> None:
    template = GoTemplate.parse(RECIPE.last("template"))
    assert "tools" in template.capabilities and template.tool_call_tag == "<tool_call>"
    assert "<|im_end|>" in RECIPE.typed_parameters()["stop"]
