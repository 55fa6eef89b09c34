"""The requests of this dialect as tables for `decode`. Only data."""

from __future__ import annotations

from hollama.api.decode import BOOL, FLOAT, INT, STRING, Anything, Items, Members, Struct
from hollama.api.tables import STRINGS

_PACKAGE = "anthropic"
_MESSAGE = Struct("MessageParam", {"role": STRING, "content": Anything()}, _PACKAGE)
_TOOL = Struct(
    "Tool",
    {"type": STRING, "name": STRING, "description": STRING, "input_schema": Members()},
    _PACKAGE,
)
MESSAGES = Struct(
    "MessagesRequest",
    {
        "model": STRING,
        "max_tokens": INT,
        "messages": Items(_MESSAGE, "[]anthropic.MessageParam"),
        "system": Anything(),
        "stream": BOOL,
        "temperature": FLOAT,
        "top_p": FLOAT,
        "top_k": INT,
        "stop_sequences": STRINGS,
        "tools": Items(_TOOL, "[]anthropic.Tool"),
        "thinking": Struct("ThinkingConfig", {"type": STRING}, _PACKAGE),
        "output_config": Struct("OutputConfig", {"effort": STRING}, _PACKAGE),
    },
    _PACKAGE,
)
