"""Ollama's own dialect of generate and chat: body to request, events to chunks. Pure; knows no server and no model.

A chunk is a dict whose order is the order on the wire; `encode` writes it. Source: facts about the API, 4.1 and 4.2.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hollama.api.decode import decode
from hollama.api.encode import utc, without_empty
from hollama.api.tables import CHAT, GENERATE
from hollama.api.values import answer_format, most_probable
from hollama.types import (
    ChatRequest,
    Delta,
    Finished,
    GenerateRequest,
    Message,
    Rendered,
    Statistics,
    Terms,
    TokenLogprob,
    ToolCall,
)

Chunk = dict[str, Any]


def chat_request(body: bytes) -> tuple[ChatRequest, bool]:
    """The request, and whether its answer is streamed. Raises BodyInvalid."""
    fields = decode(body, CHAT)
    request = ChatRequest(
        model=fields.get("model", ""),
        messages=tuple(message(item) for item in fields.get("messages", ())),
        tools=tuple(fields.get("tools", ())),
        terms=_terms(fields),
    )
    return request, fields.get("stream", True)


def generate_request(body: bytes) -> tuple[GenerateRequest, bool]:
    """The request, and whether its answer is streamed. Raises BodyInvalid."""
    fields = decode(body, GENERATE)
    request = GenerateRequest(
        model=fields.get("model", ""),
        prompt=fields.get("prompt", ""),
        suffix=fields.get("suffix", ""),
        system=fields.get("system") or None,
        template=fields.get("template") or None,
        raw=fields.get("raw", False),
        context=tuple(fields.get("context", ())),
        images=tuple(fields.get("images", ())),
        terms=_terms(fields),
    )
    return request, fields.get("stream", True)


def message(fields: Mapping[str, Any]) -> Message:
    """A turn of a conversation as the tables decode it."""
    calls = [(call.get("id", ""), call.get("function", {})) for call in fields.get("tool_calls", ())]
    return Message(
        role=fields.get("role", "").lower(),
        content=fields.get("content", ""),
        thinking=fields.get("thinking", ""),
        images=tuple(fields.get("images", ())),
        tool_calls=tuple(
            ToolCall(call.get("name", ""), call.get("arguments", {}), id, call.get("index", 0)) for id, call in calls
        ),
        tool_name=fields.get("tool_name", ""),
        tool_call_id=fields.get("tool_call_id", ""),
    )


def _terms(fields: Mapping[str, Any]) -> Terms:
    return Terms(
        options=fields.get("options", {}),
        keep_alive=fields.get("keep_alive"),
        think=fields.get("think"),
        format=answer_format(fields.get("format")),
        truncate=fields.get("truncate", True),
        shift=fields.get("shift", True),
        logprobs=fields.get("logprobs", False),
        top_logprobs=most_probable(fields.get("top_logprobs", 0)),
        render_only=fields.get("_debug_render_only", False),
    )


def generate_chunk(model: str, now: int, delta: Delta, end: Finished | Rendered | None = None) -> Chunk:
    """A line of a stream, or with `end` its last line or the whole answer. `now` is nanoseconds since 1970."""
    finished = end if isinstance(end, Finished) else None
    chunk = {
        "model": model,
        "created_at": utc(now),
        "response": delta.content,
        "thinking": delta.thinking,
        "done": finished is not None,
        "done_reason": finished.reason if finished else "",
        "context": list(finished.context) if finished else [],
        **_metrics(finished),
        "tool_calls": _calls(delta),
        "_debug_info": debug(end),
        "logprobs": logprob_entries(delta),
        **_guesses(finished),
    }
    return without_empty(chunk, "model", "created_at", "response", "done")


def chat_chunk(model: str, now: int, delta: Delta, end: Finished | Rendered | None = None) -> Chunk:
    """As `generate_chunk`, for a conversation."""
    finished = end if isinstance(end, Finished) else None
    said = {
        "role": "" if isinstance(end, Rendered) else "assistant",
        "content": delta.content,
        "thinking": delta.thinking,
        "tool_calls": _calls(delta),
    }
    chunk = {
        "model": model,
        "created_at": utc(now),
        "message": without_empty(said, "role", "content"),
        "done": finished is not None,
        "done_reason": finished.reason if finished else "",
        "_debug_info": debug(end),
        "logprobs": logprob_entries(delta),
        **_metrics(finished),
        **_guesses(finished),
    }
    return without_empty(chunk, "model", "created_at", "message", "done")


def _metrics(end: Finished | None) -> Chunk:
    statistics = end.statistics if end else Statistics()
    return {
        "total_duration": statistics.total_ns,
        "load_duration": statistics.load_ns,
        "prompt_eval_count": statistics.prompt_tokens,
        "prompt_eval_duration": statistics.prompt_ns,
        "eval_count": statistics.generated_tokens,
        "eval_duration": statistics.generation_ns,
    }


def _guesses(end: Finished | None) -> Chunk:
    """Ours, behind all of Ollama's, and only where something was guessed."""
    statistics = end.statistics if end else Statistics()
    return {
        "hollama_drafted_count": statistics.drafted_tokens,
        "hollama_accepted_count": statistics.accepted_tokens,
    }


def _calls(delta: Delta) -> list[Chunk]:
    return [
        without_empty(
            {
                "id": call.id,
                "function": {"index": call.index, "name": call.name, "arguments": dict(call.arguments)},
            }
        )
        for call in delta.tool_calls
    ]


def debug(end: Finished | Rendered | None) -> Chunk:
    """The rendered prompt, where only that was asked for."""
    if not isinstance(end, Rendered):
        return {}
    return without_empty({"rendered_template": end.prompt, "image_count": end.image_count}, "rendered_template")


def logprob_entries(delta: Delta) -> list[Chunk]:
    """One for each token that a piece was made of."""
    return [
        without_empty({**_entry(item), "top_logprobs": [_entry(top) for top in item.top]}, "token", "logprob", "bytes")
        for item in delta.logprobs
    ]


def _entry(item: TokenLogprob) -> Chunk:
    return {"token": item.token, "logprob": item.logprob, "bytes": list(item.bytes)}
