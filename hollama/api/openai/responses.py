"""/v1/responses, the way in: body to request. Source: facts about the API, 5.6.

Nothing is kept between requests; fields that would need that are ignored, as in Ollama.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hollama.api.decode import decode, plain
from hollama.api.encode import encode
from hollama.api.openai.content import image
from hollama.api.openai.tables import RESPONSES
from hollama.api.openai.terms import sampling, think
from hollama.api.syntax import BodyInvalid
from hollama.api.tables import PARAMETERS
from hollama.api.values import go_type
from hollama.types import ChatRequest, JsonObject, Message, Terms, ToolCall

_TEXTS = ("input_text", "output_text", "text")


@dataclass(frozen=True)
class AskedResponse:
    """A request, whether it is streamed, and its fields, which the answer repeats."""

    request: ChatRequest
    stream: bool
    fields: Mapping[str, Any]


def responses_request(body: bytes) -> AskedResponse:
    """Raises BodyInvalid."""
    fields = decode(body, RESPONSES)
    options = {"temperature": 1.0} | sampling(fields, max_output_tokens="num_predict")
    terms = Terms(
        options=options,
        think=think(fields.get("reasoning", {}).get("effort", "")),
        format=_format(fields.get("text", {}).get("format", {})),
    )
    instructions = fields.get("instructions", "")
    system = (Message("system", instructions),) if instructions else ()
    said = (*system, *_conversation(fields.get("input")))
    tools = tuple(_tools(fields.get("tools", ())))
    return AskedResponse(ChatRequest(fields.get("model", ""), said, tools, terms), fields.get("stream", False), fields)


def _format(wanted: Mapping[str, Any]) -> Any:
    schema = wanted.get("schema") if wanted.get("type") == "json_schema" else None
    if schema is not None and not isinstance(schema, dict):
        raise BodyInvalid(f"invalid text.format.schema: an object was expected, not {go_type(schema)}")
    return schema


def _tools(tools: Sequence[Mapping[str, Any]], space: str = "") -> Iterator[JsonObject]:
    """Functions; those of a namespace carry its name. What a server would do by itself is left out."""
    for tool in tools:
        name = tool.get("name", "")
        if tool.get("type") == "function":
            prefix = "" if not space or name.startswith(f"{space}.") else f"{space}."
            parameters = decode(encode(tool.get("parameters", {})), PARAMETERS)
            function = {"name": prefix + name, "description": tool.get("description", ""), "parameters": parameters}
            yield {"type": "function", "function": function}
        elif tool.get("type") == "namespace" and not space:
            yield from _tools(tool.get("tools", ()), name)


def _conversation(given: Any) -> list[Message]:
    match given:
        case None | "":
            return []
        case str(text):
            return [Message("user", text)]
        case list(items):
            return _Conversation().read(items)
    raise BodyInvalid(f"input must be a string or array: {_not_a_list(given)}")


class _Conversation:
    """Items in their order to messages: calls go to the assistant's turn before them, thoughts to the one behind."""

    def __init__(self) -> None:
        self._messages: list[Message] = []
        self._thought = ""
        self._open: dict[str, str] = {}  # names of the tools called, by the call's id, as long as there is no output

    def read(self, items: Sequence[Any]) -> list[Message]:
        for index, item in enumerate(items):
            try:
                self._item(item)
            except BodyInvalid as error:
                raise BodyInvalid(f"input[{index}]: {error}") from None
        if self._thought:
            self._messages.append(Message("assistant", thinking=self._thought))
        return self._messages

    def _item(self, item: Any) -> None:
        if not isinstance(item, dict):
            raise BodyInvalid(f"json: cannot unmarshal {_json_type(item)} into an input item, which is an object")
        kind = item.get("type") or ("message" if item.get("role") else None)
        match kind:
            case None:
                raise BodyInvalid("input item missing required 'type' field")
            case "message":
                self._message(item)
            case "function_call":
                self._call(item)
            case "function_call_output":
                self._output(item)
            case "reasoning":
                self._thought += _text(item, "encrypted_content")
            case "web_search_call":
                pass
            case _:
                raise BodyInvalid(f"unknown input item type: {encode(kind).decode()}")

    def _message(self, item: Mapping[str, Any]) -> None:
        text, images = _content(item.get("content"), "content")
        role = _text(item, "role").lower()
        last = self._messages[-1] if self._messages else Message("")
        if role == "assistant" and self._open and last.role == "assistant" and last.tool_calls:
            merged = replace(last, content=last.content + text, thinking=last.thinking + self._taken_thought())
            self._messages[-1] = merged
            return
        thought = self._taken_thought() if role == "assistant" else ""
        self._messages.append(Message(role, text, thought, images))

    def _call(self, item: Mapping[str, Any]) -> None:
        call = ToolCall(_text(item, "name"), _arguments(_text(item, "arguments")), _text(item, "call_id"))
        self._open[call.id] = call.name
        if not self._messages or self._messages[-1].role != "assistant":
            self._messages.append(Message("assistant"))
        last = self._messages[-1]
        calls = (*last.tool_calls, replace(call, index=len(last.tool_calls)))
        self._messages[-1] = replace(last, thinking=last.thinking + self._taken_thought(), tool_calls=calls)

    def _output(self, item: Mapping[str, Any]) -> None:
        text, images = _content(item.get("output"), "output")
        id = _text(item, "call_id")
        name = self._open.pop(id, "")
        self._messages.append(Message("tool", text, images=images, tool_name=name, tool_call_id=id))

    def _taken_thought(self) -> str:
        thought, self._thought = self._thought, ""
        return thought


def _content(value: Any, name: str) -> tuple[str, tuple[bytes, ...]]:
    match value:
        case None:
            return "", ()
        case str(text):
            return text, ()
        case list(parts):
            found = [_part(index, part) for index, part in enumerate(parts)]
            return "".join(text for text, _ in found), tuple(image for _, images in found for image in images)
    raise BodyInvalid(f"{name} must be a string or array: {_not_a_list(value)}")


def _part(index: int, part: Any) -> tuple[str, tuple[bytes, ...]]:
    kind = part.get("type", "") if isinstance(part, dict) else ""
    if kind in _TEXTS:
        return _text(part, "text"), ()
    if kind == "input_image":
        url = _text(part, "image_url")
        return "", (image(url),) if url else ()
    if kind == "input_file":
        raise BodyInvalid("file inputs are not currently supported")
    raise BodyInvalid(f"content[{index}]: unknown content type: {kind}")


def _arguments(text: str) -> dict[str, Any]:
    try:
        value = plain(text) if text else {}
    except BodyInvalid as error:
        raise BodyInvalid(f"failed to parse function call arguments: {error}") from None
    if not isinstance(value, dict):
        raise BodyInvalid(f"failed to parse function call arguments: an object was expected, not {_json_type(value)}")
    return value


def _text(item: Mapping[str, Any], name: str) -> str:
    """A field that is a text, "" where it is absent. Raises BodyInvalid."""
    value = item.get(name)
    if value is not None and not isinstance(value, str):
        raise BodyInvalid(f"json: cannot unmarshal {_json_type(value)} into Go struct field .{name} of type string")
    return value or ""


def _not_a_list(value: Any) -> str:
    return f"json: cannot unmarshal {_json_type(value)} into Go value of type []json.RawMessage"


def _json_type(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "bool"
        case str():
            return "string"
        case list():
            return "array"
        case dict():
            return "object"
    return "number"
