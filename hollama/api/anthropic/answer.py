"""/v1/messages, the way out: events to a message, whole or told block by block."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from hollama.api import sse
from hollama.api.encode import encode
from hollama.types import ChatRequest, Delta, Event, Finished, Rendered, ToolCall

JsonDict = dict[str, Any]
_REASONS = {"stop": "end_turn", "length": "max_tokens"}
_LETTERS = 4  # of a token, about; what is known before the prompt is read


def message_answer(id: str, model: str, said: Delta, end: Finished | Rendered | None) -> JsonDict:
    """The whole answer to a request that is not streamed; `id` is hex digits."""
    blocks: list[JsonDict] = [{"type": "thinking", "thinking": said.thinking}] if said.thinking else []
    blocks += [{"type": "text", "text": said.content}] if said.content else []
    blocks += [{**_use(call), "input": dict(call.arguments)} for call in said.tool_calls]
    return {
        **_message(id, model),
        "content": blocks or None,
        "stop_reason": _reason(end, bool(said.tool_calls)),
        "usage": _usage(end),
    }


def estimate(request: ChatRequest) -> int:
    """Tokens of a prompt that nobody has read yet."""
    return sum(len(message.content) + len(message.thinking) for message in request.messages) // _LETTERS


class MessageStream:
    """The events of one message. Its blocks open and close one after the other."""

    def __init__(self, id: str, request: ChatRequest) -> None:
        self._id = id
        self._request = request
        self._index = 0
        self._kind = ""  # of the block that is open
        self._called: set[str] = set()

    def open(self) -> bytes:
        """What goes before everything."""
        usage = {"input_tokens": estimate(self._request), "output_tokens": 0}
        message = {**_message(self._id, self._request.model), "content": [], "usage": usage}
        return sse.event({"type": "message_start", "message": message})

    def write(self, event: Event) -> bytes:
        """What an event of the model makes."""
        if isinstance(event, Delta):
            told = self._more("thinking", event.thinking) + self._more("text", event.content)
            return told + self._calls(event.tool_calls)
        delta = {"stop_reason": _reason(event, bool(self._called))}
        ending = {"type": "message_delta", "delta": delta, "usage": _usage(event)}
        return self._close() + sse.event(ending) + sse.event({"type": "message_stop"})

    def _more(self, kind: str, text: str) -> bytes:
        if not text:
            return b""
        opened = b"" if self._kind == kind else self._close() + self._open(kind, {"type": kind, kind: ""})
        return opened + self._delta({"type": f"{kind}_delta", kind: text})

    def _calls(self, calls: Iterable[ToolCall]) -> bytes:
        told = b""
        for call in calls:
            if call.id in self._called:
                continue
            self._called.add(call.id)
            told += self._close() + self._open("tool_use", {**_use(call), "input": {}})
            whole = encode(call.arguments).decode()
            told += self._delta({"type": "input_json_delta", "partial_json": whole}) + self._close()
        return told

    def _open(self, kind: str, block: JsonDict) -> bytes:
        self._kind = kind
        return sse.event({"type": "content_block_start", "index": self._index, "content_block": block})

    def _delta(self, delta: JsonDict) -> bytes:
        return sse.event({"type": "content_block_delta", "index": self._index, "delta": delta})

    def _close(self) -> bytes:
        """Close the block that is open, if any."""
        if not self._kind:
            return b""
        self._kind = ""
        self._index += 1
        return sse.event({"type": "content_block_stop", "index": self._index - 1})


def _message(id: str, model: str) -> JsonDict:
    return {"id": f"msg_{id}", "type": "message", "role": "assistant", "model": model}


def _use(call: ToolCall) -> JsonDict:
    return {"type": "tool_use", "id": call.id, "name": call.name}


def _reason(end: Finished | Rendered | None, called: bool) -> str | None:
    if not isinstance(end, Finished):
        return None
    return "tool_use" if called and end.reason == "stop" else _REASONS.get(end.reason, "stop_sequence")


def _usage(end: Finished | Rendered | None) -> JsonDict:
    counts = end.statistics if isinstance(end, Finished) else None
    return {
        "input_tokens": counts.prompt_tokens if counts else 0,
        "output_tokens": counts.generated_tokens if counts else 0,
    }
