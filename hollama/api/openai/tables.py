"""The requests of this dialect as tables for `decode`. Only data."""

from __future__ import annotations

from hollama.api.decode import BOOL, FLOAT, INT, STRING, Anything, Items, Members, Struct, Type
from hollama.api.openai.prompts import prompts
from hollama.api.tables import TOOL

_PACKAGE = "openai"
_STREAM_OPTIONS = Struct("StreamOptions", {"include_usage": BOOL}, _PACKAGE)
_REASONING = Struct("Reasoning", {"effort": STRING, "summary": STRING}, _PACKAGE)
_CALL = Struct(
    "ToolCall",
    {"id": STRING, "function": Struct("ToolCallFunction", {"name": STRING, "arguments": STRING}, _PACKAGE)},
    _PACKAGE,
)
_MESSAGE = Struct(
    "Message",
    {
        "role": STRING,
        "content": Anything(),
        "reasoning": STRING,
        "reasoning_content": STRING,
        "tool_calls": Items(_CALL, "[]openai.ToolCall"),
        "name": STRING,
        "tool_call_id": STRING,
    },
    _PACKAGE,
)
_SCHEMA = Struct("JsonSchema", {"schema": Anything()}, _PACKAGE)

_SAMPLING: dict[str, Type] = {
    "max_tokens": INT,
    "temperature": FLOAT,
    "top_p": FLOAT,
    "seed": INT,
    "stop": Anything(),
    "frequency_penalty": FLOAT,
    "presence_penalty": FLOAT,
    "stream": BOOL,
    "stream_options": _STREAM_OPTIONS,
    "n": INT,
    "_debug_render_only": BOOL,
}

CHAT = Struct(
    "ChatCompletionRequest",
    {
        "model": STRING,
        "messages": Items(_MESSAGE, "[]openai.Message"),
        **_SAMPLING,
        "max_completion_tokens": INT,
        "response_format": Struct("ResponseFormat", {"type": STRING, "json_schema": _SCHEMA}, _PACKAGE),
        "tools": Items(TOOL, "[]api.Tool"),
        "reasoning": _REASONING,
        "reasoning_effort": STRING,
        "logprobs": BOOL,
        "top_logprobs": INT,
    },
    _PACKAGE,
)
COMPLETION = Struct(
    "CompletionRequest",
    {"model": STRING, "prompt": Anything(prompts), "suffix": STRING, **_SAMPLING, "logprobs": INT, "echo": BOOL},
    _PACKAGE,
)

EMBEDDINGS = Struct(
    "EmbedRequest",
    {"input": Anything(), "model": STRING, "dimensions": INT, "encoding_format": STRING},
    _PACKAGE,
)

# A namespace holds tools: the table holds itself.
_tool: dict[str, Type] = {}
RESPONSES_TOOL = Struct("ResponsesTool", _tool, _PACKAGE)
_tool.update(
    {
        "type": STRING,
        "name": STRING,
        "description": STRING,
        "strict": BOOL,
        "parameters": Members(),
        "tools": Items(RESPONSES_TOOL, "[]openai.ResponsesTool"),
    }
)
RESPONSES = Struct(
    "ResponsesRequest",
    {
        "model": STRING,
        "input": Anything(),
        "instructions": STRING,
        "max_output_tokens": INT,
        "temperature": FLOAT,
        "top_p": FLOAT,
        "reasoning": _REASONING,
        "text": Struct("ResponsesText", {"format": Members()}, _PACKAGE),
        "tools": Items(RESPONSES_TOOL, "[]openai.ResponsesTool"),
        "truncation": STRING,
        "background": BOOL,
        "stream": BOOL,
    },
    _PACKAGE,
)
