"""The content of messages: texts, and images and sounds as data URIs. Texts of refusals are Ollama's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from hollama.api.decode import base64_bytes, plain
from hollama.api.syntax import BodyInvalid
from hollama.api.values import go_type
from hollama.types import Message, ToolCall

_PREFIXES = tuple(f"data:{kind};base64," for kind in ("image/jpeg", "image/jpg", "image/png", "image/webp", ""))


def messages(items: list[dict[str, Any]]) -> tuple[Message, ...]:
    """A conversation; every part of a list of contents becomes a message of its own. Raises BodyInvalid."""
    found: list[Message] = []
    names: dict[str, str] = {}  # of the tools that were called, by the call's id
    for item in items:
        calls = _calls(item.get("tool_calls", []))
        names |= {call.id: call.name for call in calls}
        found += _with_calls(_messages(item, names), item, calls)
    return tuple(found)


def image(url: str) -> bytes:
    """The bytes of an image. Raises BodyInvalid."""
    if url.startswith(("http://", "https://")):
        raise BodyInvalid("image URLs are not currently supported, please use base64 encoded data instead")
    prefix = next((prefix for prefix in _PREFIXES if url.startswith(prefix)), None)
    try:
        if prefix:
            return base64_bytes(url[len(prefix) :])
    except BodyInvalid:
        pass
    raise BodyInvalid("invalid image input")


def arguments(text: str) -> dict[str, Any]:
    """The arguments of a call. Raises BodyInvalid for all but an object."""
    try:
        value = plain(text)
    except BodyInvalid:
        value = None
    if not isinstance(value, dict):
        raise BodyInvalid("invalid tool call arguments")
    return value


def _calls(items: list[dict[str, Any]]) -> tuple[ToolCall, ...]:
    functions = [(item.get("id", ""), item.get("function", {})) for item in items]
    return tuple(
        ToolCall(function.get("name", ""), arguments(function.get("arguments", "")), id, index)
        for index, (id, function) in enumerate(functions)
    )


def _messages(item: Mapping[str, Any], names: Mapping[str, str]) -> list[Message]:
    bare = Message(
        role=item.get("role", "").lower(),
        thinking=item.get("reasoning") or item.get("reasoning_content") or "",
        tool_call_id=item.get("tool_call_id", ""),
    )
    if bare.role == "tool":
        bare = replace(bare, tool_name=item.get("name") or names.get(bare.tool_call_id, ""))
    match item.get("content"):
        case str(text):
            return [replace(bare, content=text)]
        case list(parts):
            return [replace(bare, **_part(part)) for part in parts]
        case None if item.get("tool_calls"):
            return [bare]
        case other:
            raise BodyInvalid(f"invalid message content type: {go_type(other)}")


def _with_calls(made: list[Message], item: Mapping[str, Any], calls: tuple[ToolCall, ...]) -> Iterator[Message]:
    """The calls of a message stand in the last that was made of it."""
    yield from made[:-1]
    if made or calls:
        last = made[-1] if made else Message(role=item.get("role", "").lower())
        yield replace(last, tool_calls=calls)


def _part(part: Any) -> dict[str, Any]:
    match part:
        case {"type": "text", "text": str(text)}:
            return {"content": text}
        case {"type": "image_url", "image_url": str(url) | {"url": str(url)}}:
            return {"images": (image(url),)}
        case {"type": "input_audio"}:
            return {"images": (_sound(part.get("input_audio")),)}
    raise BodyInvalid("invalid message format")


def _sound(value: Any) -> bytes:
    if not isinstance(value, dict):
        raise BodyInvalid("invalid input_audio format")
    text = value.get("data")
    if not isinstance(text, str) or not text:
        raise BodyInvalid("invalid input_audio format: missing data")
    try:
        return base64_bytes(text)
    except BodyInvalid as error:
        raise BodyInvalid(f"invalid input_audio base64 data: {error}") from None
