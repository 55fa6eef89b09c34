"""/v1/messages and its count_tokens, the way in: body to request. Texts of refusals are Ollama's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from hollama.api.anthropic.tables import MESSAGES
from hollama.api.decode import base64_bytes, decode
from hollama.api.encode import encode
from hollama.api.syntax import BodyInvalid
from hollama.api.tables import PARAMETERS
from hollama.api.values import go_type, options_of
from hollama.types import ChatRequest, JsonObject, Message, Terms, ToolCall

_EFFORTS = {"low": "low", "medium": "medium", "high": "high", "xhigh": "high", "max": "max"}
_SWITCH = {"enabled": True, "disabled": False}
_SAME = ("temperature", "top_p", "top_k")


def messages_request(body: bytes) -> tuple[ChatRequest, bool]:
    """The request, and whether its answer is streamed. Raises BodyInvalid."""
    fields = decode(body, MESSAGES)
    _require(fields, "model", "model is required")
    if fields.get("max_tokens", 0) <= 0:
        raise BodyInvalid("max_tokens is required and must be positive")
    return _request(fields, _terms(fields)), fields.get("stream", False)


def count_request(body: bytes) -> ChatRequest:
    """The request whose prompt is to be counted; nothing is cut from it. Raises BodyInvalid."""
    fields = decode(body, MESSAGES)
    _require(fields, "model", "model is required")
    return _request(fields, Terms(think=_think(fields), truncate=False, render_only=True))


def _require(fields: Mapping[str, Any], name: str, text: str) -> None:
    if not fields.get(name):
        raise BodyInvalid(text)


def _request(fields: Mapping[str, Any], terms: Terms) -> ChatRequest:
    _require(fields, "messages", "messages is required")
    system = _system(fields.get("system"))
    said = _with_names([message for item in fields["messages"] for message in _messages(item)])
    begin = [Message("system", system)] if system else []
    return ChatRequest(fields["model"], (*begin, *said), tuple(_tools(fields.get("tools", ()))), terms)


def _with_names(messages: Sequence[Message]) -> list[Message]:
    """Results of tools say only which call they answer; templates want to know of which tool."""
    names = {call.id: call.name for message in messages for call in message.tool_calls}
    return [replace(message, tool_name=names.get(message.tool_call_id, "")) for message in messages]


def _terms(fields: Mapping[str, Any]) -> Terms:
    options = {"num_predict": fields["max_tokens"], **options_of(fields, _SAME)}
    if fields.get("stop_sequences"):
        options["stop"] = fields["stop_sequences"]
    return Terms(options=options, think=_think(fields))


def _think(fields: Mapping[str, Any]) -> bool | str | None:
    switch = _SWITCH.get(fields.get("thinking", {}).get("type", ""))
    return _EFFORTS.get(fields.get("output_config", {}).get("effort", "")) if switch is None else switch


def _system(given: Any) -> str:
    """A text or blocks of it; anything else counts for nothing, as in Ollama."""
    match given:
        case str(text):
            return text
        case list(blocks):
            return "".join(_text(block, "text") for block in blocks if _kind(block) == "text")
    return ""


def _tools(tools: Sequence[Mapping[str, Any]]) -> Iterator[JsonObject]:
    """Functions; the web search that a server would do by itself is left out."""
    for tool in tools:
        if tool.get("type", "").startswith("web_search"):
            continue
        name = tool.get("name", "")
        try:
            parameters = decode(encode(tool.get("input_schema", {})), PARAMETERS)
        except BodyInvalid as error:
            raise BodyInvalid(f'invalid input_schema for tool "{name}": {error}') from None
        function = {"name": name, "description": tool.get("description", ""), "parameters": parameters}
        yield {"type": "function", "function": function}


@dataclass
class _Turn:
    """What the blocks of one message come to."""

    text: str = ""
    thinking: str = ""
    images: list[bytes] = field(default_factory=list)
    calls: list[ToolCall] = field(default_factory=list)
    results: list[Message] = field(default_factory=list)

    def add(self, block: Any) -> None:
        match _kind(block):
            case "text":
                self.text += _text(block, "text")
            case "thinking":
                self.thinking += _text(block, "thinking")
            case "image":
                self.images.append(_image(block.get("source")))
            case "tool_use" | "server_tool_use":
                self.calls.append(_call(block, len(self.calls)))
            case "tool_result" | "web_search_tool_result":
                text, images = _result(block.get("content"))
                self.results.append(Message("tool", text, images=images, tool_call_id=_text(block, "tool_use_id")))

    def messages(self, role: str) -> Iterator[Message]:
        """Results of tools stand before what is said of them."""
        yield from self.results
        if self.text or self.thinking or self.images or self.calls:
            yield Message(role, self.text, self.thinking, tuple(self.images), tuple(self.calls))


def _messages(item: Mapping[str, Any]) -> list[Message]:
    role = item.get("role", "").lower()
    match item.get("content"):
        case None:
            return []
        case str(text):
            return [Message(role, text)]
        case list(blocks):
            turn = _Turn()
            for block in blocks:
                turn.add(block)
            return list(turn.messages(role))
        case other:
            raise BodyInvalid(f"invalid message content type: {go_type(other)}")


def _call(block: Mapping[str, Any], index: int) -> ToolCall:
    for name in ("id", "name"):
        if not _text(block, name):
            raise BodyInvalid(f"tool_use block missing required '{name}' field")
    given = block.get("input")
    return ToolCall(_text(block, "name"), given if isinstance(given, dict) else {}, _text(block, "id"), index)


def _result(content: Any) -> tuple[str, tuple[bytes, ...]]:
    match content:
        case str(text):
            return text, ()
        case list(blocks):
            images = tuple(_image(block.get("source")) for block in blocks if _kind(block) == "image")
            return "".join(_text(block, "text") for block in blocks if _kind(block) == "text"), images
    return "", ()


def _image(source: Any) -> bytes:
    if not isinstance(source, dict):
        raise BodyInvalid("invalid image source")
    kind = _text(source, "type")
    if kind != "base64":
        raise BodyInvalid(f"invalid image source type: {kind}. Only base64 images are supported.")
    try:
        return base64_bytes(_text(source, "data"))
    except BodyInvalid as error:
        raise BodyInvalid(f"invalid base64 image data: {error}") from None


def _kind(block: Any) -> str:
    return _text(block, "type") if isinstance(block, dict) else ""


def _text(block: Any, name: str) -> str:
    """A field that is a text; any other is as good as absent, as in Ollama."""
    value = block.get(name)
    return value if isinstance(value, str) else ""
