"""/v1/completions: body to request, events to chunks and answers. Source: facts about the API, 5.3.

As in Ollama the prompt goes through the model's template. Only `echo` takes it as it is, for an answer that begins with
its prompt is a continuation of that very text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hollama.api import sse
from hollama.api.answer import Answer
from hollama.api.decode import decode
from hollama.api.openai.envelope import FINGERPRINT, Head, usage
from hollama.api.openai.tables import COMPLETION
from hollama.api.openai.terms import Asked, asked, sampling
from hollama.api.syntax import BodyInvalid
from hollama.api.values import go_type, most_probable
from hollama.types import Delta, Event, Finished, GenerateRequest, Rendered, Terms, TokenLogprob

_NO_PROMPT_LOGPROBS = "log-probabilities of the prompt are not available yet; leave out echo or logprobs"


def completion_request(body: bytes) -> Asked[GenerateRequest]:
    """Raises BodyInvalid."""
    fields = decode(body, COMPLETION)
    logprobs = fields.get("logprobs", 0)
    if fields.get("echo") and logprobs > 0:
        raise BodyInvalid(_NO_PROMPT_LOGPROBS)
    terms = Terms(
        options=_options(fields),
        logprobs=logprobs > 0,
        top_logprobs=most_probable(max(logprobs, 0)),
        render_only=fields.get("_debug_render_only", False),
    )
    request = GenerateRequest(
        model=fields.get("model", ""),
        prompt=fields.get("prompt", ""),
        suffix=fields.get("suffix", ""),
        raw=fields.get("echo", False),
        terms=terms,
    )
    return asked(request, fields)


def completion_answer(head: Head, asked: Asked[GenerateRequest], answers: Sequence[Answer]) -> dict[str, Any]:
    """The whole answer to a request that is not streamed."""
    choices = []
    for index, answer in enumerate(answers):
        text = _echoed(asked) + answer.delta.content
        choices.append(_choice(index, text, answer.delta.logprobs, len(_echoed(asked)), _reason(answer.end)))
    return {
        "id": f"cmpl-{head.number}",
        "object": "text_completion",
        "created": head.created,
        "model": head.model,
        "system_fingerprint": FINGERPRINT,
        "choices": choices,
        "usage": usage([answer.end for answer in answers]),
    }


class CompletionStream:
    """The chunks of one answer with its choices, in the order of their events."""

    def __init__(self, head: Head, asked: Asked[GenerateRequest]) -> None:
        self._head = head
        self._asked = asked
        self._written: dict[int, int] = {}  # characters, by the choice
        self._ends: list[Finished | Rendered | None] = []

    def write(self, index: int, event: Event) -> bytes:
        """The chunk that an event of a choice makes."""
        delta = event if isinstance(event, Delta) else Delta()
        if not isinstance(event, Delta):
            self._ends.append(event)
        begin = "" if index in self._written else _echoed(self._asked)
        offset = self._written.get(index, 0) + len(begin)
        self._written[index] = offset + len(delta.content)
        reason = None if isinstance(event, Delta) else _reason(event)
        return self._chunk([_choice(index, begin + delta.content, delta.logprobs, offset, reason)], usage([]))

    def close(self) -> bytes:
        """What follows the last event."""
        return (self._chunk([], usage(self._ends)) if self._asked.include_usage else b"") + sse.DONE

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


def _echoed(asked: Asked[GenerateRequest]) -> str:
    return asked.request.prompt if asked.request.raw else ""


def _choice(index: int, text: str, logprobs: Sequence[TokenLogprob], offset: int, reason: str | None) -> dict[str, Any]:
    choice = {"text": text, "index": index, "finish_reason": reason}
    return {**choice, "logprobs": _logprobs(logprobs, offset)} if logprobs else choice


def _logprobs(entries: Sequence[TokenLogprob], offset: int) -> dict[str, Any]:
    """Four lists in step; offsets are characters from the beginning of the text."""
    offsets = []
    for entry in entries:
        offsets.append(offset)
        offset += len(entry.token)
    return {
        "tokens": [entry.token for entry in entries],
        "token_logprobs": [entry.logprob for entry in entries],
        "top_logprobs": [{top.token: top.logprob for top in entry.top} for entry in entries],
        "text_offset": offsets,
    }


def _reason(end: Finished | Rendered | None) -> str | None:
    return end.reason if isinstance(end, Finished) else None
