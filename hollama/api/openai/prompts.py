"""The prompts of /v1/completions, which come in four shapes. Knows no field but that one."""

from __future__ import annotations

from typing import Any

from hollama.api.syntax import BodyInvalid

Prompt = str | tuple[int, ...]  # text, or token ids

_SHAPES = "invalid prompt: expected a string, a list of strings, a list of token ids, or a list of such lists"
_MOST = 2**31  # what an id is below


def prompts(value: Any) -> tuple[Prompt, ...]:
    """One prompt at least. Raises BodyInvalid."""
    match value:
        case str():
            return (value,)
        case [int(), *_]:
            return (_ids(value),)
        case [_, *_]:
            return tuple(item if isinstance(item, str) else _ids(item) for item in value)
        case []:
            raise BodyInvalid(_SHAPES)
    kind = "bool" if isinstance(value, bool) else "object" if isinstance(value, dict) else "number"
    raise BodyInvalid(f"json: cannot unmarshal {kind} into Go struct field CompletionRequest.prompt of type string")


def _ids(value: Any) -> tuple[int, ...]:
    if not value or not isinstance(value, list) or not all(type(item) is int and 0 <= item < _MOST for item in value):
        raise BodyInvalid(_SHAPES)
    return tuple(value)
