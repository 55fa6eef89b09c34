"""/v1/chat/completions: body to request, events to chunks and answers. Source: facts about the API, 5.2."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from hollama.api import sse
from hollama.api.answer import Answer
from hollama.api.decode import decode
from hollama.api.encode import encode, without_empty
from hollama.api.ollama import debug, logprob_entries
from hollama.api.openai.content import messages
from hollama.api.openai.envelope import FINGERPRINT, Head, usage
from hollama.api.openai.tables import CHAT
from hollama.api.openai.terms import Asked, asked, sampling, think
from hollama.api.syntax import BodyInvalid
from hollama.api.values import most_probable
from hollama.types import ChatRequest, Delta, Event, Finished, Rendered, Terms, ToolCall


def chat_request(body: bytes) -> Asked[ChatRequest]:
    """Raises BodyInvalid."""
    fields = decode(body, CHAT)
    if not fields.get("messages"):
        raise BodyInvalid("[] is too short - 'messages'")
    reasoning = fields.get("reasoning")
    effort = fields.get("reasoning_effort", "") if reasoning is None else reasoning.get("effort", "")
    terms = Terms(
        options=_options(fields),
        think=think(effort),
        format=_format(fields.get("response_format", {})),
        logprobs=fields.get("logprobs", False),
        top_logprobs=most_probable(fields.get("top_logprobs", 0)),
        render_only=fields.get("_debug_render_only", False),
    )
    said = messages(fields["messages"])
    return asked(ChatRequest(fields.get("model", ""), said, tuple(fields.get("tools", ())), terms), fields)


def chat_answer(head: Head, asked: Asked[ChatRequest], answers: Sequence[Answer]) -> dict[str, Any]:
    """The whole answer to a request that is not streamed."""
    ends = [answer.end for answer in answers]
    whole = {
        "id": f"chatcmpl-{head.number}",
        "object": "chat.completion",
        "created": head.created,
        "model": head.model,
        "system_fingerprint": FINGERPRINT,
        "choices": [_choice(index, answer) for index, answer in enumerate(answers)],
        "usage": usage(ends),
        "_debug_info": debug(ends[0]),
    }
    return without_empty(whole, *(name for name in whole if name != "_debug_info"))


class ChatStream:
    """The chunks of one answer with its choices, in the order of their events."""

    def __init__(self, head: Head, asked: Asked[ChatRequest]) -> None:
        self._head = head
        self._include_usage = asked.include_usage
        self._spoken: dict[int, bool] = {}  # choices that have said something, and whether that was a call
        self._ends: list[Finished | Rendered | None] = []

    def write(self, index: int, event: Event) -> bytes:
        """The chunks that an event of a choice makes."""
        return b"".join(sse.data(self._chunk([choice])) for choice in self._choices(index, event))

    def close(self) -> bytes:
        """What follows the last event."""
        counts = {**self._chunk([]), "usage": usage(self._ends)}
        return (sse.data(counts) if self._include_usage else b"") + sse.DONE

    def _choices(self, index: int, event: Event) -> Iterator[dict[str, Any]]:
        if isinstance(event, Delta):
            yield from (self._said(index, piece) for piece in _pieces(event))
            return
        if index not in self._spoken:
            yield self._said(index, Delta())
        self._ends.append(event)
        yield {"index": index, "delta": {}, "finish_reason": _reason(event, self._spoken[index])}

    def _said(self, index: int, piece: Delta) -> dict[str, Any]:
        role = {} if index in self._spoken else {"role": "assistant"}
        self._spoken[index] = self._spoken.get(index, False) or bool(piece.tool_calls)
        return {"index": index, "delta": {**role, **_spoken(piece)}, "finish_reason": None, **_logprobs(piece)}

    def _chunk(self, choices: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "id": f"chatcmpl-{self._head.number}",
            "object": "chat.completion.chunk",
            "created": self._head.created,
            "model": self._head.model,
            "system_fingerprint": FINGERPRINT,
            "choices": choices,
        }


def _options(fields: Mapping[str, Any]) -> dict[str, Any]:
    options: dict[str, Any] = {"temperature": 1.0, "top_p": 1.0}
    options |= sampling(fields, max_completion_tokens="num_predict") | sampling(fields, max_tokens="num_predict")
    match fields.get("stop"):
        case str(text):
            options["stop"] = [text]
        case list(texts):
            options["stop"] = [text for text in texts if isinstance(text, str)]
    return options


def _format(wanted: Mapping[str, Any]) -> Any:
    match wanted.get("type", "").strip().lower():
        case "json_object":
            return "json"
        case "json_schema":
            schema = wanted.get("json_schema", {}).get("schema")
            if schema is not None and not isinstance(schema, dict):
                raise BodyInvalid(f"invalid json_schema: an object was expected, not {encode(schema).decode()[:40]}")
            return schema
    return None


def _choice(index: int, answer: Answer) -> dict[str, Any]:
    role = "" if isinstance(answer.end, Rendered) else "assistant"
    message = {"role": role, **_spoken(answer.delta)}
    reason = _reason(answer.end, bool(answer.delta.tool_calls))
    return {"index": index, "message": message, "finish_reason": reason, **_logprobs(answer.delta)}


def _spoken(piece: Delta) -> dict[str, Any]:
    """The parts of a message, or of a piece of one; thoughts under Ollama's name and under that of other servers."""
    parts = {
        "content": piece.content,
        "reasoning": piece.thinking,
        "reasoning_content": piece.thinking,
        "tool_calls": [_call(call) for call in piece.tool_calls],
    }
    return without_empty(parts, "content")


def _pieces(delta: Delta) -> list[Delta]:
    """Thoughts go before what else there is."""
    if not delta.thinking or not (delta.content or delta.tool_calls):
        return [delta]
    return [Delta(thinking=delta.thinking), replace(delta, thinking="")]


def _call(call: ToolCall) -> dict[str, Any]:
    function = {"name": call.name, "arguments": encode(call.arguments).decode()}
    return {"id": call.id, "index": call.index, "type": "function", "function": function}


def _logprobs(piece: Delta) -> dict[str, Any]:
    return {"logprobs": {"content": logprob_entries(piece)}} if piece.logprobs else {}


def _reason(end: Finished | Rendered | None, called: bool) -> str | None:
    if not isinstance(end, Finished):
        return None
    return "tool_calls" if called and end.reason == "stop" else end.reason
