"""Bodies that a dialect may be sent by mistake or in bad faith: JSON made of its own words."""

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
_TEXTS = st.sampled_from(
    [*WORDS, "", "{}", '{"a":1}', "data:image/png;base64,AAAA", "http://x", "\ud800", "m"]
) | st.text(max_size=8)
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


def _body(fields: dict[str, Any]) -> bytes:
    return json.dumps(fields).encode("utf-8", "surrogatepass")


def bodies(**fixed: Any) -> st.SearchStrategy[bytes]:
    """Objects with `fixed` fields, a conversation, and others of any kind; also such bodies cut short or broken."""
    conversation = st.lists(_TURNS, max_size=4)
    given = {name: st.just(value) for name, value in fixed.items()}
    optional = dict.fromkeys(("messages", "input"), conversation | _VALUES)
    known = st.fixed_dictionaries(given, optional=optional)
    more = st.dictionaries(st.sampled_from([word for word in WORDS if word not in fixed]), _VALUES, max_size=5)
    whole = st.builds(lambda first, second: _body({**second, **first}), known, more)
    cut = st.builds(lambda body, share: body[: int(len(body) * share)], whole, st.floats(0, 1))
    return whole | cut | st.binary(max_size=20)
