"""Bodies that a dialect may be sent by mistake or in bad faith: JSON made of its own words.

Half of them are right in shape and odd in what they say, so that they come through to the model.
"""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

_WORDS = (
    "model messages role content text type input output system user assistant tool tools function name arguments "
    "parameters properties description enum items required id index call_id tool_call_id tool_use_id tool_calls "
    "image_url url input_audio data format source base64 media_type input_schema thinking reasoning effort summary "
    "encrypted_content text message function_call function_call_output tool_use tool_result image input_text "
    "output_text input_image max_tokens max_output_tokens max_completion_tokens temperature top_p top_k seed stop "
    "stop_sequences n logprobs top_logprobs echo suffix prompt stream stream_options include_usage response_format "
    "json_schema schema json_object instructions truncation background namespace web_search_20250305 output_config "
    "frequency_penalty presence_penalty reasoning_effort _debug_render_only high none enabled adaptive object string"
)
WORDS = tuple(dict.fromkeys(_WORDS.split()))
_ODD = ["", "{}", '{"a":1}', "data:image/png;base64,AAAA", "http://x", "\ud800", "m"]
_TEXTS = st.sampled_from([*WORDS, *_ODD]) | st.text(max_size=8)
_PLAIN = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.integers(-2, 3) | st.floats() | _TEXTS
_VALUES = st.recursive(
    _PLAIN,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=5),
    max_leaves=12,
)
_TURNS = st.fixed_dictionaries(
    {"role": st.sampled_from(["user", "assistant", "tool", "system"]) | _PLAIN},
    optional=dict.fromkeys(("content", "tool_calls", "tool_call_id", "reasoning", "type"), _VALUES),
)


def bodies(**fixed: Any) -> st.SearchStrategy[bytes]:
    """Objects with `fixed` fields, a conversation, and others of any kind; also such bodies cut short or broken."""
    given = {name: st.just(value) for name, value in fixed.items()}
    known = st.fixed_dictionaries(given, optional=dict.fromkeys(("messages", "input"), st.lists(_TURNS) | _VALUES))
    more = st.dictionaries(st.sampled_from([word for word in WORDS if word not in fixed]), _VALUES, max_size=5)
    wild = st.builds(lambda first, second: _body({**second, **first}), known, more)
    cut = st.builds(lambda body, share: body[: int(len(body) * share)], wild, st.floats(0, 1))
    return plausible(**fixed) | plausible(**fixed) | wild | cut | st.binary(max_size=20)


def plausible(**fixed: Any) -> st.SearchStrategy[bytes]:
    """Bodies of the right types: only what they say may be wrong."""
    turns = st.lists(_said(), min_size=1, max_size=4)
    always = {name: st.just(value) for name, value in fixed.items()} | {"messages": turns, "input": turns}
    optional = {name: value for name, value in _fields().items() if name not in fixed}
    return st.builds(_body, st.fixed_dictionaries(always, optional=optional))


def _said() -> st.SearchStrategy[dict[str, Any]]:
    role = st.sampled_from(["user", "assistant", "system", "tool", "developer", "zz"])
    parts = st.lists(st.fixed_dictionaries({"type": st.just("text"), "text": _TEXTS}), max_size=3)
    function = st.fixed_dictionaries({"name": _TEXTS, "arguments": st.sampled_from(["{}", '{"a":[1]}'])})
    calls = st.lists(st.fixed_dictionaries({"id": _TEXTS, "function": function}), max_size=2)
    more = {"tool_calls": calls, "tool_call_id": _TEXTS, "name": _TEXTS, "reasoning": _TEXTS}
    return st.fixed_dictionaries({"role": role, "content": _TEXTS | parts}, optional=more)


def _fields() -> dict[str, st.SearchStrategy[Any]]:
    number = st.floats(-3, 3) | st.floats(allow_nan=False, allow_infinity=False) | st.integers(-3, 3)
    whole = st.integers(-(2**63), 2**63 - 1)
    return {
        "temperature": number,
        "top_p": number,
        "top_k": whole | st.integers(-2, 3),
        "seed": whole,
        "stop": _TEXTS | st.lists(_TEXTS, max_size=3),
        "stop_sequences": st.lists(_TEXTS, max_size=3),
        "frequency_penalty": number,
        "presence_penalty": number,
        "n": st.integers(1, 3),
        "top_logprobs": st.integers(0, 20),
        "echo": st.booleans(),
        "stream": st.booleans(),
        "stream_options": st.fixed_dictionaries({"include_usage": st.booleans()}),
        "system": _TEXTS,
        "instructions": _TEXTS,
        "thinking": st.fixed_dictionaries({"type": st.sampled_from(["enabled", "disabled", "adaptive"])}),
        "reasoning_effort": st.sampled_from(["", "none"]),
        "tools": st.lists(_tool(), max_size=2),
        "_debug_render_only": st.booleans(),
    }


def _tool() -> st.SearchStrategy[dict[str, Any]]:
    """One that is a tool in each of the dialects."""
    schema = st.fixed_dictionaries(
        {"type": st.just("object"), "properties": st.dictionaries(_TEXTS, st.fixed_dictionaries({"type": _TEXTS}))}
    )
    function = st.fixed_dictionaries({"name": _TEXTS, "description": _TEXTS, "parameters": schema})
    return st.fixed_dictionaries(
        {
            "type": st.just("function"),
            "name": _TEXTS,
            "function": function,
            "parameters": schema,
            "input_schema": schema,
        }
    )


def _body(fields: dict[str, Any]) -> bytes:
    return json.dumps(fields).encode("utf-8", "surrogatepass")
