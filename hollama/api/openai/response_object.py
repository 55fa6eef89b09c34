"""/v1/responses, the way out: the object of a response, its items, and the events that tell of them one by one.

More than Ollama: a text before a call is kept and closed in order, an answer that was cut says so in its status, and a
failure within a stream is told. Source: facts about the API, 5.6.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hollama.api import sse
from hollama.api.answer import Answer
from hollama.api.encode import encode
from hollama.api.openai.envelope import Head
from hollama.api.openai.responses import AskedResponse
from hollama.types import Delta, Event, Finished, ToolCall

JsonDict = dict[str, Any]
_FUNCTION = ("type", "name", "description", "strict", "parameters")  # all of them are shown, empty or not


def response_answer(head: Head, asked: AskedResponse, answer: Answer, now: int) -> JsonDict:
    """The whole answer to a request that is not streamed; `now` is seconds since 1970."""
    said, id = answer.delta, f"resp_{head.number}"
    items = [_reasoning(f"rs_{id}", said.thinking)] if said.thinking else []
    if said.content or not said.tool_calls:
        items.append(_message(f"msg_{head.number}", said.content))
    items += [_call(f"fc_{id}_{index}", call) for index, call in enumerate(said.tool_calls)]
    return _completed(head, asked, items, answer.end if isinstance(answer.end, Finished) else None, now)


class ResponseStream:
    """The events of one response. Its items open and close one after the other."""

    def __init__(self, head: Head, asked: AskedResponse) -> None:
        self._head = head
        self._asked = asked
        self._sequence = 0
        self._items: list[JsonDict] = []  # closed
        self._calls = 0
        self._kind = ""  # of the item that is open
        self._text = ""  # of the item that is open

    def open(self) -> bytes:
        """What goes before everything."""
        begun = _response(self._head, self._asked)
        return self._event("response.created", response=begun) + self._event("response.in_progress", response=begun)

    def write(self, event: Event, now: int) -> bytes:
        """What an event of the model makes; `now` is seconds since 1970."""
        if not isinstance(event, Delta):
            closed = self._close()
            end = event if isinstance(event, Finished) else None
            whole = _completed(self._head, self._asked, self._items, end, now)
            return closed + self._event("response.completed", response=whole)
        told = b""
        if event.thinking:
            told += self._more("reasoning", event.thinking)
        if event.content and not self._calls:
            told += self._more("message", event.content)
        return told + b"".join(map(self._called, event.tool_calls))

    def fault(self, message: str, status: int) -> bytes:
        """A failure within the stream, which then ends."""
        error = {"code": "server_error" if status >= 500 else "invalid_prompt", "message": message}
        failed = _response(self._head, self._asked) | {"status": "failed", "output": self._items, "error": error}
        return self._event("response.failed", response=failed)

    def _more(self, kind: str, text: str) -> bytes:
        opened = b"" if self._kind == kind else self._close() + self._open(kind)
        self._text += text
        if kind == "reasoning":
            return opened + self._of_item("response.reasoning_summary_text.delta", summary_index=0, delta=text)
        return opened + self._of_item("response.output_text.delta", content_index=0, delta=text, logprobs=[])

    def _open(self, kind: str) -> bytes:
        self._kind, self._text = kind, ""
        if kind == "reasoning":
            return self._item("added", {"id": self._id(), "type": "reasoning", "summary": []})
        item = _message(self._id(), "") | {"status": "in_progress", "content": []}
        added = self._item("added", item)
        return added + self._of_item("response.content_part.added", content_index=0, part=_output_text(""))

    def _close(self) -> bytes:
        """Close the item that is open, if any."""
        kind, text = self._kind, self._text
        if kind == "reasoning":
            told = self._of_item("response.reasoning_summary_text.done", summary_index=0, text=text)
            told += self._done(_reasoning(self._id(), text))
        elif kind == "message":
            told = self._of_item("response.output_text.done", content_index=0, text=text, logprobs=[])
            told += self._of_item("response.content_part.done", content_index=0, part=_output_text(text))
            told += self._done(_message(self._id(), text))
        else:
            return b""
        self._kind = ""
        return told

    def _called(self, call: ToolCall) -> bytes:
        closed = self._close()
        self._kind = "call"
        done = _call(self._id(), call)
        told = self._item("added", done | {"status": "in_progress", "arguments": ""})
        told += self._of_item("response.function_call_arguments.delta", delta=done["arguments"])
        told += self._of_item("response.function_call_arguments.done", arguments=done["arguments"])
        told += self._done(done)
        self._kind = ""
        self._calls += 1
        return closed + told

    def _id(self) -> str:
        prefix = {"reasoning": "rs", "message": "msg"}.get(self._kind)
        number = self._head.number
        return f"{prefix}_{number + len(self._items)}" if prefix else f"fc_{number}_{self._calls}"

    def _done(self, item: JsonDict) -> bytes:
        told = self._item("done", item)
        self._items.append(item)
        return told

    def _item(self, what: str, item: JsonDict) -> bytes:
        return self._event(f"response.output_item.{what}", output_index=len(self._items), item=item)

    def _of_item(self, kind: str, **more: Any) -> bytes:
        return self._event(kind, item_id=self._id(), output_index=len(self._items), **more)

    def _event(self, kind: str, **more: Any) -> bytes:
        value = {"type": kind, "sequence_number": self._sequence, **more}
        self._sequence += 1
        return sse.event(_sorted(value))


def _response(head: Head, asked: AskedResponse) -> JsonDict:
    """A response that has only begun; what the request said is repeated."""
    fields = asked.fields
    reasoning = fields.get("reasoning")
    return {
        "id": f"resp_{head.number}",
        "object": "response",
        "created_at": head.created,
        "completed_at": None,
        "status": "in_progress",
        "incomplete_details": None,
        "model": head.model,
        "previous_response_id": None,
        "instructions": fields.get("instructions") or None,
        "output": [],
        "error": None,
        "tools": [_tool(tool) for tool in fields.get("tools", ())],
        "tool_choice": "auto",
        "truncation": fields.get("truncation") or "disabled",
        "parallel_tool_calls": True,
        "text": {"format": _sorted(fields.get("text", {}).get("format") or {"type": "text"})},
        "top_p": fields.get("top_p", 1),
        "presence_penalty": 0,
        "frequency_penalty": 0,
        "top_logprobs": 0,
        "temperature": fields.get("temperature", 1),
        "reasoning": reasoning and {name: reasoning.get(name) or None for name in ("effort", "summary")},
        "usage": None,
        "max_output_tokens": fields.get("max_output_tokens"),
        "max_tool_calls": None,
        "store": False,
        "background": fields.get("background", False),
        "service_tier": "default",
        "metadata": {},
        "safety_identifier": None,
        "prompt_cache_key": None,
    }


def _completed(head: Head, asked: AskedResponse, items: list[JsonDict], end: Finished | None, now: int) -> JsonDict:
    cut = end is not None and end.reason == "length"
    ending = {
        "completed_at": now,
        "status": "incomplete" if cut else "completed",
        "incomplete_details": {"reason": "max_output_tokens"} if cut else None,
        "output": items,
        "usage": _usage(end),
    }
    return _response(head, asked) | ending


def _usage(end: Finished | None) -> JsonDict:
    prompt = end.statistics.prompt_tokens if end else 0
    generated = end.statistics.generated_tokens if end else 0
    return {
        "input_tokens": prompt,
        "output_tokens": generated,
        "total_tokens": prompt + generated,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens_details": {"reasoning_tokens": 0},
    }


def _reasoning(id: str, text: str) -> JsonDict:
    summary = [{"type": "summary_text", "text": text}]
    return {"id": id, "type": "reasoning", "summary": summary, "encrypted_content": text}


def _message(id: str, text: str) -> JsonDict:
    content = [_output_text(text)]
    return {"id": id, "type": "message", "status": "completed", "role": "assistant", "content": content}


def _output_text(text: str) -> JsonDict:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _call(id: str, call: ToolCall) -> JsonDict:
    arguments = encode(call.arguments).decode()
    return {
        "id": id,
        "type": "function_call",
        "status": "completed",
        "call_id": call.id,
        "name": call.name,
        "arguments": arguments,
    }


def _tool(tool: Mapping[str, Any]) -> JsonDict:
    shown = dict(tool)
    if tool.get("type") == "function":
        shown = {name: tool.get(name) for name in _FUNCTION}
    return {name: _sorted(value) for name, value in shown.items()}


def _sorted(value: Any) -> Any:
    """With the keys of all objects in order, as Go writes maps."""
    match value:
        case dict():
            return {key: _sorted(value[key]) for key in sorted(value)}
        case list():
            return [_sorted(item) for item in value]
    return value
