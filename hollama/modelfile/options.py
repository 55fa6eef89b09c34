"""The options of a model: their names, types and defaults, as data. Does not know what any of them does.

Two readers share the table and differ in their errors, as in Ollama: a Modelfile's PARAMETER arrives as text
(`typed_parameter`), a request's options arrive as JSON values (`check_options`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from hollama.errors import ModelfileError, OptionInvalid

Kind = Literal["integer", "float32", "boolean", "string", "array"]
OptionValue = int | float | bool | str | list[str]

_FLOAT32_MAX = 3.4028235677973366e38  # the first value that rounds to infinity
_INT = re.compile(r"[+-]?[0-9]+")
_FLOAT = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_BOOLEANS = MappingProxyType(
    dict.fromkeys(("1", "t", "T", "true", "TRUE", "True"), True)
    | dict.fromkeys(("0", "f", "F", "false", "FALSE", "False"), False)
)


@dataclass(frozen=True)
class Option:
    """`default` is None where the server chooses; a change of a `load_time` option reloads the model."""

    name: str
    kind: Kind
    default: int | float | bool | None
    load_time: bool = False


OPTIONS: Mapping[str, Option] = MappingProxyType(
    {
        option.name: option
        for option in (
            Option("num_ctx", "integer", None, load_time=True),
            Option("num_batch", "integer", 512, load_time=True),
            Option("num_gpu", "integer", -1, load_time=True),
            Option("main_gpu", "integer", None, load_time=True),
            Option("use_mmap", "boolean", None, load_time=True),
            Option("num_thread", "integer", 0, load_time=True),
            Option("draft_num_predict", "integer", None, load_time=True),
            Option("num_keep", "integer", 4),
            Option("seed", "integer", -1),
            Option("num_predict", "integer", -1),
            Option("top_k", "integer", 40),
            Option("top_p", "float32", 0.9),
            Option("min_p", "float32", 0.0),
            Option("typical_p", "float32", 1.0),
            Option("repeat_last_n", "integer", 64),
            Option("temperature", "float32", 0.8),
            Option("repeat_penalty", "float32", 1.0),
            Option("presence_penalty", "float32", 0.0),
            Option("frequency_penalty", "float32", 0.0),
            Option("stop", "array", None),
            Option("adapter", "string", None),  # ours: the name of one in the model's package, "" for none
        )
    }
)

# Accepted in old Modelfiles and skipped with a warning.
DEPRECATED = frozenset(
    {"penalize_newline", "low_vram", "f16_kv", "logits_all", "vocab_only", "use_mlock"}
    | {"mirostat", "mirostat_tau", "mirostat_eta"}
)


def default_options() -> dict[str, OptionValue]:
    """The defaults of every option that has one; None-valued ones are left for the server to choose."""
    return {name: option.default for name, option in OPTIONS.items() if option.default is not None}


def typed_parameter(name: str, text: str, more: Collection[str] = ()) -> OptionValue:
    """The value of `PARAMETER name text`; a `stop` comes back as a list of one. Raises ModelfileError.

    `more` are options that plugins read: a number or boolean where the text is one, else the text.
    """
    option = OPTIONS.get(name)
    if option is None:
        if name in more:
            return _literal(text)
        raise ModelfileError(f"unknown parameter '{name}'")
    match option.kind:
        case "integer":
            return _parsed_int(text)
        case "float32":
            return _parsed_float(text)
        case "boolean":
            return _parsed_bool(text)
        case "string":
            return text
        case "array":
            return [text]


def _literal(text: str) -> OptionValue:
    for parsed in (_parsed_int, _parsed_float, _parsed_bool):
        with suppress(ModelfileError):
            return parsed(text)
    return text


def _parsed_int(text: str) -> int:
    # 20 characters hold every int64 and its sign, and bound what int() is asked to convert
    value = int(text) if _INT.fullmatch(text) and len(text) <= 20 else None
    if value is None or not -(2**63) <= value < 2**63:
        raise ModelfileError(f"invalid int value [{text}]")
    return value


def _parsed_float(text: str) -> float:
    value = float(text) if _FLOAT.fullmatch(text) else math.inf
    if abs(value) >= _FLOAT32_MAX:
        raise ModelfileError(f"invalid float value [{text}]")
    return value


def _parsed_bool(text: str) -> bool:
    if text not in _BOOLEANS:
        raise ModelfileError(f"invalid bool value [{text}]")
    return _BOOLEANS[text]


def check_options(options: Mapping[str, object]) -> dict[str, Any]:
    """A request's options with their types checked: floats for integers are truncated, nulls dropped.

    Unknown ones pass as they are: only the plugin whose sampler reads one can judge it, everybody else ignores it.
    Raises OptionInvalid, in Ollama's words.
    """
    given = {key: value for key, value in options.items() if value is not None}
    return {key: _checked(OPTIONS[key], value) if key in OPTIONS else value for key, value in given.items()}


def _checked(option: Option, value: object) -> OptionValue:
    match option.kind:
        case "integer" if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 2**63:
            return int(value)
        case "float32" if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _FLOAT32_MAX:
            return float(value)
        case "boolean" if isinstance(value, bool):
            return value
        case "string" if isinstance(value, str):
            return value
        case "array" if isinstance(value, list | tuple):
            return _checked_strings(option, value)
    raise OptionInvalid(f'option "{option.name}" must be of type {option.kind}')


def _checked_strings(option: Option, values: list[object] | tuple[object, ...]) -> list[str]:
    if not all(isinstance(value, str) for value in values):
        raise OptionInvalid(f'option "{option.name}" must be of an array of strings')
    return [str(value) for value in values]
