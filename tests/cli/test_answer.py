"""How answers and their statistics look."""

import io
from typing import Any

from hollama.cli.answer import AnswerWriter, Display, statistics
from hollama.cli.wrap import WordWrap

THOUGHT = [
    {"message": {"role": "assistant", "content": "", "thinking": "hm"}},
    {"message": {"role": "assistant", "content": "", "thinking": "m"}},
    {"message": {"role": "assistant", "content": "Yes"}},
    {"message": {"role": "assistant", "content": "."}, "done": True, "done_reason": "stop"},
]


def shown(chunks: list[dict[str, Any]], **how: Any) -> str:
    out = io.StringIO()
    Display(out, **how).show(chunk for chunk in chunks)
    return out.getvalue()


def test_thinking_has_its_frame() -> None:
    assert shown(THOUGHT) == "Thinking...\nhmm\n...done thinking.\n\nYes."


def test_thinking_can_be_hidden() -> None:
    assert shown(THOUGHT, hide_thinking=True) == "Yes."


def test_thinking_without_an_answer_is_closed() -> None:
    assert shown(THOUGHT[:2]) == "Thinking...\nhmm\n...done thinking.\n\n"


def test_a_terminal_gets_colours() -> None:
    out = io.StringIO()
    AnswerWriter(out, WordWrap(80), colours=True, hide_thinking=False).consume(THOUGHT)
    assert out.getvalue().startswith("\x1b[90m\x1b[1mThinking...\n\x1b[0m\x1b[90mhmm")
    assert out.getvalue().endswith("\x1b[0m\n\nYes.")


def test_generate_chunks_show_too_and_the_answer_is_kept() -> None:
    out = io.StringIO()
    answer = Display(out).show({"response": text, "done": text == "!"} for text in ("Hi", " you", "!"))
    assert (out.getvalue(), answer.content, answer.last["done"]) == ("Hi you!", "Hi you!", True)


def test_a_tool_call_nobody_asked_for() -> None:
    call = {"function": {"name": "f", "arguments": {"a": 1}}}
    text = shown([{"message": {"content": "", "tool_calls": [call]}}])
    assert text == "  Model called a non-existent function 'f()' with arguments: {\"a\": 1}"


def test_statistics() -> None:
    last = {
        "total_duration": 4_535_599_167, "load_duration": 1_200_000_000, "prompt_eval_count": 26,
        "prompt_eval_duration": 130_079_000, "eval_count": 290, "eval_duration": 4_700_000_000,
    }  # fmt: skip
    assert statistics(last) == [
        "total duration:       4.535599167s",
        "load duration:        1.2s",
        "prompt eval count:    26 token(s)",
        "prompt eval duration: 130.079ms",
        "prompt eval rate:     199.88 tokens/s",
        "eval count:           290 token(s)",
        "eval duration:        4.7s",
        "eval rate:            61.70 tokens/s",
    ]


def test_statistics_of_guesses() -> None:
    assert statistics({"hollama_drafted_count": 7}) == ["guessed right:        0 of 7 token(s)"]


def test_statistics_that_are_zero_have_no_line() -> None:
    assert statistics({"total_duration": 10**9}) == ["total duration:       1s"]
