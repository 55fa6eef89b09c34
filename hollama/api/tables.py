"""The requests of Ollama's API as tables for `decode`: field names, types, and what Go calls them. Only data.

Source: facts about the API of Ollama 0.33, sections 3 and 4.
"""

from __future__ import annotations

from hollama.api.decode import BOOL, BYTES, INT, STRING, Anything, Items, Members, Named, Struct, Type
from hollama.api.values import keep_alive, property_type, think

_NO_OBJECT = "Value looks like object, but can't find closing '}' symbol"
STRINGS = Items(STRING, "[]string")
_IMAGES = Items(BYTES, "[]api.ImageData")
_FILES = Named(STRING, "map[string]string")

_TERMS: dict[str, Type] = {
    "stream": BOOL,
    "format": Anything(),
    "keep_alive": Anything(keep_alive),
    "options": Members(),
    "think": Anything(think),
    "truncate": BOOL,
    "shift": BOOL,
    "logprobs": BOOL,
    "top_logprobs": INT,
    "_debug_render_only": BOOL,
}

# A property of a tool's parameters holds properties: the table holds itself.
_property: dict[str, Type] = {}
_PROPERTY = Struct("ToolProperty", _property)
_property.update(
    {
        "anyOf": Items(_PROPERTY, "[]api.ToolProperty"),
        "type": Anything(property_type),
        "items": Anything(),
        "description": STRING,
        "enum": Items(Anything(), "[]interface {}"),
        "properties": Named(_PROPERTY, "api.ToolPropertiesMap", _NO_OBJECT),
        "required": STRINGS,
    }
)
PARAMETERS = Struct(
    "ToolFunctionParameters",
    {
        "type": STRING,
        "$defs": Anything(),
        "items": Anything(),
        "required": STRINGS,
        "properties": Named(_PROPERTY, "api.ToolPropertiesMap", _NO_OBJECT),
    },
)
_FUNCTION = Struct("ToolFunction", {"name": STRING, "description": STRING, "parameters": PARAMETERS})
TOOL = Struct("Tool", {"type": STRING, "items": Anything(), "function": _FUNCTION})

_CALL = Struct("ToolCallFunction", {"index": INT, "name": STRING, "arguments": Members(complaint=_NO_OBJECT)})
MESSAGE = Struct(
    "Alias",  # what Go's decoder calls a message, seen on the wire
    {
        "role": STRING,
        "content": STRING,
        "thinking": STRING,
        "images": _IMAGES,
        "tool_calls": Items(Struct("ToolCall", {"id": STRING, "function": _CALL}), "[]api.ToolCall"),
        "tool_name": STRING,
        "tool_call_id": STRING,
    },
)
_MESSAGES = Items(MESSAGE, "[]api.Message")

GENERATE = Struct(
    "GenerateRequest",
    {
        "model": STRING,
        "prompt": STRING,
        "suffix": STRING,
        "system": STRING,
        "template": STRING,
        "context": Items(INT, "[]int"),
        "raw": BOOL,
        "images": _IMAGES,
        **_TERMS,
    },
)
CHAT = Struct("ChatRequest", {"model": STRING, "messages": _MESSAGES, "tools": Items(TOOL, "api.Tools"), **_TERMS})

_NAMED: dict[str, Type] = {"model": STRING, "name": STRING}
_MOVED: dict[str, Type] = {**_NAMED, "insecure": BOOL, "stream": BOOL}
_TAKEN: dict[str, Type] = {"model": STRING, "keep_alive": Anything(keep_alive), "options": Members()}

SHOW = Struct(
    "ShowRequest",
    {**_NAMED, "verbose": BOOL, "system": STRING, "template": STRING, "options": Members()},
)
DELETE = Struct("DeleteRequest", _NAMED)
COPY = Struct("CopyRequest", {"source": STRING, "destination": STRING})
PULL = Struct("PullRequest", _MOVED)
PUSH = Struct("PushRequest", _MOVED)
EMBED = Struct("EmbedRequest", {**_TAKEN, "input": Anything(), "truncate": BOOL, "dimensions": INT})
EMBEDDINGS = Struct("EmbeddingRequest", {**_TAKEN, "prompt": STRING})
CREATE = Struct(
    "CreateRequest",
    {
        **_NAMED,
        "from": STRING,
        "files": _FILES,
        "adapters": _FILES,
        "draft_files": _FILES,
        "template": STRING,
        "license": Anything(),
        "system": STRING,
        "parameters": Members(),
        "messages": _MESSAGES,
        "quantize": STRING,
        "quantization": STRING,
        "draft_quantize": STRING,
        "renderer": STRING,
        "parser": STRING,
        "requires": STRING,
        "info": Members(),
        "remote_host": STRING,
        "stream": BOOL,
    },
)
