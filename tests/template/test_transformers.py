"""Chat templates print what transformers prints from them: the real ones, and generated ones."""

from __future__ import annotations

import contextlib
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hollama.errors import TemplateError
from hollama.template import JinjaTemplate, TemplateValues
from hollama.types import Message

transformers = pytest.importorskip(
    "transformers.utils.chat_template_utils", reason="needs transformers, which the extra `train` brings"
)
_ADDRESS = re.compile("0x[0-9a-f]+", re.IGNORECASE)  # of a generator that is printed
TOKENS = {"bos_token": "<s>", "eos_token": "</s>"}


def oracle(text: str, messages: Any, tools: Any = (), begin: bool = True, **variables: Any) -> str | None:
    """None where transformers refuses."""
    with contextlib.suppress(Exception):
        (rendered,), _ = transformers.render_jinja_template(
            [messages], list(tools) or None, chat_template=text, add_generation_prompt=begin, **TOKENS, **variables
        )
        return str(rendered)
    return None


def ours(text: str, messages: Any, tools: Any = (), begin: bool = True, **variables: Any) -> str | None:
    with contextlib.suppress(TemplateError):
        return JinjaTemplate(text, **TOKENS).render_chat(messages, tools, begin, **variables)
    return None


words = st.text("ab é<\n\"'{}", max_size=8)
values = st.one_of(words, st.integers(-9, 99), st.booleans(), st.none(), st.lists(st.integers(0, 9), max_size=2))
arguments = st.dictionaries(st.sampled_from(["city", "days", "é"]), values, max_size=2)
calls = st.builds(
    lambda name, arguments: {"type": "function", "id": "call12345", "function": {"name": name, "arguments": arguments}},
    st.sampled_from(["f", "g"]),
    arguments,
)
assistants = st.one_of(
    st.builds(lambda text: {"role": "assistant", "content": text}, words),
    st.builds(lambda text: {"role": "assistant", "content": f"<think>x</think>{text}"}, words),
    st.builds(
        lambda text, made: {"role": "assistant", "content": text, "tool_calls": made},
        words,
        st.lists(calls, min_size=1, max_size=2),
    ),
)
results = st.builds(lambda text: {"role": "tool", "name": "f", "tool_call_id": "call12345", "content": text}, words)
users = st.builds(lambda text: {"role": "user", "content": text}, words)
turns = st.lists(st.one_of(st.tuples(users, assistants), st.tuples(users, assistants, results)), max_size=3)
chats = st.builds(
    lambda system, turns, last: [*system, *(message for turn in turns for message in turn), *last],
    st.lists(st.builds(lambda text: {"role": "system", "content": text}, words), max_size=1),
    turns,
    st.lists(users, max_size=1),
)
TOOL = {
    "type": "function",
    "function": {
        "name": "f",
        "description": "does é <x>",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
EXTRA: tuple[dict[str, Any], ...] = ({}, {"enable_thinking": False}, {"enable_thinking": True}, {"thinking": True})


@settings(max_examples=25)
@given(chats, st.booleans(), st.booleans(), st.sampled_from(EXTRA))
def test_real_templates(shared_templates, chat, with_tools, begin, extra) -> None:
    tools = [TOOL] if with_tools else []
    for name, text in shared_templates.items():
        expected = oracle(text, chat, tools, begin, **extra)
        if expected is not None:  # we print more: `map` may be left unfinished for `tojson`
            assert ours(text, chat, tools, begin, **extra) == expected, name


@pytest.fixture(scope="module")
def shared_templates(shared) -> dict[str, str]:
    folder = shared / "data" / "templates" / "hf-jinja"
    found = {path.name: path.read_text() for path in sorted(folder.rglob("*.jinja*"))}
    assert len(found) > 20
    return found


def test_most_real_templates_print_something(shared_templates) -> None:
    """So that two refusals do not pass for agreement."""
    chat = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho"}, {"role": "user", "content": "?"}]
    printed = [name for name, text in shared_templates.items() if oracle(text, chat, [TOOL]) or oracle(text, chat)]
    assert len(printed) >= len(shared_templates) - 2  # two want variables that nobody gives


@settings(max_examples=20)
@given(words.map(lambda text: f"begun{text}"))
def test_begun_answers(shared_templates, begun) -> None:
    """Where transformers shows what was begun at the end of the prompt, so do we."""
    messages = [Message("user", "Hi"), Message("assistant", begun)]
    chat = [{"role": message.role, "content": message.content} for message in messages]
    for name, text in shared_templates.items():
        expected = oracle(text, chat, begin=False, continue_final_message=True)
        if expected is not None and expected.endswith(begun):
            with contextlib.suppress(TemplateError):
                found = JinjaTemplate(text, **TOKENS).render(TemplateValues(messages=messages))
                assert found.rstrip() == expected.rstrip(), name


LEAVES = "messages[0].content|messages[-1]['role']|'<é>'|'a\\nb'|bos_token|missing|1.5|none|n.x|messages|tools"
FILTERS = """trim|upper|length|tojson|tojson(indent=2)|default('d')|string|list|first|join('-')|replace('a', 'b')|safe|
tojson(ensure_ascii=True)|tojson(separators=(',', ':'))|capitalize|items|list|unique|int|indent(2)|e|dictsort|last"""
METHODS = "strip()|split('a')|startswith('a')|upper()|items()|get('role')|lstrip('ab')|title()|role|content"


def of(texts: str) -> st.SearchStrategy[str]:
    return st.sampled_from([text.strip() for text in texts.split("|")])


def form(text: str, *parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """`text` with the parts in the places of its `§`."""
    return st.builds(lambda *found: "".join(a + b for a, b in zip(text.split("§"), [*found, ""], strict=True)), *parts)


strings = st.recursive(
    of(LEAVES),
    lambda inner: st.one_of(
        form("(§ ~ §)", inner, inner),
        form("(§ | §)", inner, of(FILTERS)),
        form("§.§", inner, of(METHODS)),
        form("(§ if § else §)", inner, inner, inner),
        form("(§ § §)", inner, of("==|!=|in|not in|and|or|+|<"), inner),
        form("(§ is §)", inner, of("defined|none|string|mapping|iterable|number|sequence|boolean")),
        form("§[§]", inner, of("0|-1|:2|::-1|'role'")),
    ),
    max_leaves=3,
)
pads, ends = of("|-"), st.sampled_from(["", "\n", "  ", " x "])
pieces = st.recursive(
    st.one_of(
        ends,
        form("{{§ § §}}§", pads, strings, pads, ends),
        form("{%§ set n.x = § §%}§", pads, strings, pads, ends),
        st.sampled_from(["{# c #}", "{{ raise_exception('no') }}", "{{ strftime_now('%Y-%m') }}", "\n  "]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map("".join),
        form("{%§ if § §%}§{% else %}§{% endif %}", pads, strings, pads, inner, inner),
        form("{% for m in messages §%}§{{ loop.index }}{% else %}§{% endfor %}", pads, inner, inner),
        form("{% for m in messages %}§{% if § %}{% break %}{% endif %}{% endfor %}", inner, strings),
        form("{% for m in messages if § %}{% if § %}{% continue %}{% endif %}§{% endfor %}", strings, strings, inner),
        form("{% macro f(x) %}§{{ x }}{% endmacro %}{{ f(§) }}", inner, strings),
        form("{% generation %}§{% endgeneration %}", inner),
        form("{% set y %}§{% endset %}{{ y }}", inner),
        form("{% filter upper %}§{% endfilter %}", inner),
    ),
    max_leaves=5,
)


@settings(max_examples=200, derandomize=True)
@given(pieces, chats.filter(bool))
def test_generated_templates(template, chat) -> None:
    text = "{% set n = namespace(x=1) %}" + template
    expected, found = oracle(text, chat), ours(text, chat)
    if expected is not None or found is None or "tojson" not in text:
        assert found == expected or _ADDRESS.sub("", str(found)) == _ADDRESS.sub("", str(expected))
