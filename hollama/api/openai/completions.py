"""/v1/completions: body to request, events to chunks and answers. Source: facts about the API, 5.3.

As in Ollama the prompt goes through the model's template. Only token ids, and a prompt that is to be echoed, are taken
as they are: an answer that begins with its prompt is a continuation of that very text. What Ollama lacks is as OpenAI
has it: lists of prompts, token ids, and an echo's log-probabilities.
"""

from __future__ import annotations

import codecs
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from hollama.api import sse
from hollama.api.answer import Answer
from hollama.api.decode import decode
from hollama.api.openai.envelope import FINGERPRINT, Head, usage
from hollama.api.openai.prompts import Prompt
from hollama.api.openai.tables import COMPLETION
from hollama.api.openai.terms import Asked, asked, sampling
from hollama.api.syntax import BodyInvalid
from hollama.api.values import go_type, most_probable
from hollama.types import Delta, Event, Finished, GenerateRequest, Rendered, Terms, TokenLogprob


def completion_request(body: bytes) -> Asked[GenerateRequest]:
    """Raises BodyInvalid."""
    fields = decode(body, COMPLETION)
    echo, logprobs = fields.get("echo", False), fields.get("logprobs", -1)
    options = _options(fields)
    scored = logprobs >= (0 if echo else 1)  # Ollama takes 0 for none
    terms = Terms(
        options=options,
        logprobs=scored,
        top_logprobs=most_probable(max(logprobs, 0)),
        render_only=fields.get("_debug_render_only", False),
        truncate=not (echo and scored),
        echo=echo,
        answered=not (echo and options.get("num_predict") == 0),
    )
    request = GenerateRequest(fields.get("model", ""), "", fields.get("suffix", ""), raw=echo, terms=terms)
    first, *others = [_of(request, prompt) for prompt in fields.get("prompt", [""])]
    return asked(request=first, fields=fields, others=others)


def _of(request: GenerateRequest, prompt: Prompt) -> GenerateRequest:
    if isinstance(prompt, str):
        return replace(request, prompt=prompt)
    return replace(request, tokens=prompt, raw=True)


def completion_answer(head: Head, asked: Asked[GenerateRequest], answers: Sequence[Answer]) -> dict[str, Any]:
    """The whole answer to a request that is not streamed."""
    choices = []
    for index, answer in enumerate(answers):
        choices.append(_choice(index, answer.delta.content, answer.delta.logprobs, 0, _reason(answer.end)))
    return {
        "id": f"cmpl-{head.number}",
        "object": "text_completion",
        "created": head.created,
        "model": head.model,
        "system_fingerprint": FINGERPRINT,
        "choices": choices,
        "usage": usage([answer.end for answer in answers], 1 + len(asked.others)),
    }


class CompletionStream:
    """The chunks of one answer with its choices, in the order of their events."""

    def __init__(self, head: Head, asked: Asked[GenerateRequest]) -> None:
        self._head = head
        self._asked = asked
        self._written: dict[int, int] = {}  # characters, by the choice
        self._ends: dict[int, Finished | Rendered | None] = {}  # by the choice

    def write(self, index: int, event: Event) -> bytes:
        """The chunk that an event of a choice makes."""
        delta = event if isinstance(event, Delta) else Delta()
        if not isinstance(event, Delta):
            self._ends[index] = event
        offset = self._written.get(index, 0)
        self._written[index] = offset + len(delta.content)
        reason = None if isinstance(event, Delta) else _reason(event)
        return self._chunk([_choice(index, delta.content, delta.logprobs, offset, reason)], usage([]))

    def close(self) -> bytes:
        """What follows the last event."""
        if not self._asked.include_usage:
            return sse.DONE
        ends = [self._ends[index] for index in sorted(self._ends)]
        return self._chunk([], usage(ends, 1 + len(self._asked.others))) + sse.DONE

    def _chunk(self, choices: list[dict[str, Any]], counts: dict[str, int]) -> bytes:
        chunk = {
            "id": f"cmpl-{self._head.number}",
            "object": "text_completion",
            "created": self._head.created,
            "choices": choices,
            "model": self._head.model,
            "system_fingerprint": FINGERPRINT,
        }
        return sse.data({**chunk, "usage": counts} if self._asked.include_usage else chunk)


def _options(fields: Mapping[str, Any]) -> dict[str, Any]:
    options: dict[str, Any] = {"temperature": 1.0, "frequency_penalty": 0.0, "presence_penalty": 0.0}
    options |= sampling(fields, max_tokens="num_predict")
    options["top_p"] = options.get("top_p") or 1.0
    match fields.get("stop"):
        case str(text):
            options["stop"] = [text]
        case list(texts):
            wrong = [text for text in texts if not isinstance(text, str)]
            if wrong:
                raise BodyInvalid(f"invalid type for 'stop' field: {go_type(wrong[0])}")
            options["stop"] = texts
    return options


def _choice(index: int, text: str, logprobs: Sequence[TokenLogprob], offset: int, reason: str | None) -> dict[str, Any]:
    choice = {"text": text, "index": index, "finish_reason": reason}
    return {**choice, "logprobs": _logprobs(logprobs, offset)} if logprobs else choice


def _logprobs(entries: Sequence[TokenLogprob], offset: int) -> dict[str, Any]:
    """Four lists in step; offsets are characters from the beginning of the text. A character may take many tokens."""
    offsets, decoder = [], codecs.getincrementaldecoder("utf-8")("replace")
    for entry in entries:
        offsets.append(offset)
        offset += len(decoder.decode(bytes(entry.bytes)))
    return {
        "tokens": [_spelled(entry) for entry in entries],
        "token_logprobs": [entry.logprob for entry in entries],
        "top_logprobs": [_rivals(entry) for entry in entries],
        "text_offset": offsets,
    }


def _rivals(entry: TokenLogprob) -> dict[str, float | None] | None:
    """The most probable tokens and the one that was there; of those spelled alike the most probable."""
    if entry.logprob is None:
        return None
    best = {_spelled(top): top.logprob for top in reversed(entry.top)}
    return {_spelled(entry): entry.logprob} | best


def _spelled(entry: TokenLogprob) -> str:
    """The token's text; the bytes of one that is only part of a character."""
    try:
        return bytes(entry.bytes).decode()
    except UnicodeDecodeError:
        return "bytes:" + "".join(f"\\x{byte:02x}" for byte in entry.bytes)


def _reason(end: Finished | Rendered | None) -> str | None:
    return end.reason if isinstance(end, Finished) else None
