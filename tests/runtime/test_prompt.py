"""What is left of a prompt that is too long."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hollama.errors import ContextOverflow
from hollama.runtime.prompt import Thought, fit, shorten
from hollama.template import TemplateValues
from hollama.types import Message


def render(values: TemplateValues) -> str:
    return "".join(message.content for message in values.messages)


def slow_fit(values: TemplateValues, context: int) -> str:
    """Ollama's way: drop one message after the other."""
    messages = values.messages
    for start in range(len(messages)):
        kept = [message for message in messages[:start] if message.role == "system"] + list(messages[start:])
        text = render(TemplateValues(messages=kept))
        if len(text) <= context or start == len(messages) - 1:
            return text
    return ""


_MESSAGES = st.lists(
    st.builds(Message, st.sampled_from(["system", "user", "assistant"]), st.text(max_size=6)), max_size=8
)


@given(_MESSAGES, st.integers(1, 30))
def test_searching_by_halves_drops_what_dropping_one_by_one_does(messages: list[Message], context: int) -> None:
    values = TemplateValues(messages=messages)
    assert fit(values, render, len, context) == slow_fit(values, context)


def test_a_long_prompt_keeps_its_first_tokens_and_its_tail() -> None:
    assert shorten(range(100), 40, 4, shift=True) == (*range(4), *range(82, 100))


@given(st.integers(1, 60), st.integers(4, 40), st.integers(-1, 50))
def test_a_shortened_prompt_leaves_room_for_an_answer(length: int, context: int, keep: int) -> None:
    tokens = shorten(range(length), context, keep, shift=True)
    assert len(tokens) < context
    assert tokens == tuple(range(length)) or length >= context


def test_without_shifting_a_long_prompt_is_refused() -> None:
    with pytest.raises(ContextOverflow, match="longer than the context length"):
        shorten(range(100), 40, 4, shift=False)


@pytest.mark.parametrize(
    ("think", "thinks", "thought"),
    [
        (None, False, Thought()),
        (None, True, Thought(True, "medium", True)),
        (False, True, Thought(False, "", True)),
        ("low", True, Thought(True, "low", True)),
    ],
)
def test_a_model_that_thinks_does_unless_it_is_told_not_to(
    think: bool | str | None, thinks: bool, thought: Thought
) -> None:
    assert Thought.of(think, thinks) == thought
