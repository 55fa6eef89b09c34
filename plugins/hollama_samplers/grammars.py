"""What a request wants its answer to look like, as a grammar for `llguidance`. Knows no tokens and no logits.

`format` is Ollama's: "json", or a JSON schema. The options `regex`, `gbnf` (llama.cpp's notation) and `lark` (with
llguidance's extensions) are grammars that Ollama has no name for. A schema's unsupported keywords are left out with a
warning; one that cannot be read is refused in the words in which Ollama passes its engine's refusal on.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from hollama.errors import HollamaError, RequestError
from hollama.types import Thoughts

if TYPE_CHECKING:
    from llguidance._lib import JsonCompileOptions

log = logging.getLogger(__name__)

OPTIONS = ("regex", "gbnf", "lark")
_TYPES = ("string", "number", "integer", "boolean", "null", "object", "array")
# llama.cpp's: a model that likes blanks cannot go on with them for ever. A schema's own "x-guidance" goes before.
_DEFAULTS: JsonCompileOptions = {"whitespace_pattern": r" |\n{1,2}[ \t]{0,20}", "lenient": True}
_ANY = {"type": ["object", "array"]}  # any JSON, but no lone number or word: nobody who asks for JSON wants one
_ANSWER = "answer"
_FREE = '%llguidance {"no_forcing": true}\n'  # any way to cut a forced text into tokens is allowed


def grammar(options: Mapping[str, Any], thoughts: Thoughts | None = None) -> str:
    """The grammar that the options ask for, after thoughts if the answer may begin with them; empty if they ask none.

    Raises RequestError for what is no grammar, or more than one.
    """
    given = [name for name in ("format", *OPTIONS) if options.get(name) is not None]
    if len(given) > 1:
        raise RequestError(f"{' and '.join(given)} both say what the answer looks like; leave out all but one")
    if not given:
        return ""
    own = _READERS[given[0]](options[given[0]])
    return json.dumps({"grammars": [{"lark_grammar": _frame(thoughts)}, own | {"name": _ANSWER}]})


def check(options: Mapping[str, Any]) -> None:
    """Raise RequestError for options that no model could follow; log what is only ignored."""
    text = grammar(options)
    if not text:
        return
    from llguidance import LLMatcher

    with panics_are_refused(options):
        failed, messages = LLMatcher.validate_grammar_with_warnings(text)
    if failed:
        raise refusal(options, messages[0])
    for message in messages:
        log.warning("the schema asks for more than is enforced: %s", message)


@contextmanager
def panics_are_refused(options: Mapping[str, Any]) -> Iterator[None]:
    """Where the library trips over a grammar of its user's; a panic of Rust's is no Exception."""
    try:
        yield
    except (HollamaError, KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        raise refusal(options, str(error)) from error


def refusal(options: Mapping[str, Any], message: str) -> RequestError:
    """What is wrong with a grammar, said as Ollama does for a schema."""
    if options.get("format") is None:
        name = next(name for name in OPTIONS if options.get(name) is not None)
        return RequestError(f'option "{name}" is no grammar: {message}')
    return _schema_refusal("#", message)


def _frame(thoughts: Thoughts | None) -> str:
    """The rule round the answer; a thought ends with the first closing tag, whatever else its last token says."""
    if thoughts is None:
        return f"{_FREE}start: @{_ANSWER}"
    start = "thought gap" if thoughts.begun else "(blank opening thought gap)?"
    return (
        f"{_FREE}start: {start} @{_ANSWER}\n"
        "blank: /[ \\t\\r\\n]{0,8}/\n"
        f"opening: {json.dumps(thoughts.opening)}\n"
        f"thought[lazy]: /(?s:.*)/ {json.dumps(thoughts.closing)}\n"
        "gap: /[ \\t\\r\\n]{0,8}/\n"
    )


def _read_format(value: Any) -> dict[str, Any]:
    from llguidance import LLMatcher

    schema = _ANY if value == "json" else value
    if not isinstance(schema, dict):
        raise RequestError(f'format is {value!r}; expected "json" or a JSON schema object')
    for place, message in _faults(schema):
        raise _schema_refusal(place, message)
    try:
        return _only(LLMatcher.grammar_from_json_schema(json.dumps(schema), defaults=_DEFAULTS))
    except (ValueError, RecursionError) as error:
        raise _schema_refusal("#", str(error)) from error


def _read_regex(value: Any) -> dict[str, Any]:
    from llguidance import LLMatcher

    return _only(LLMatcher.grammar_from_regex(_text("regex", value)))


def _read_gbnf(value: Any) -> dict[str, Any]:
    from llguidance.gbnf_to_lark import gbnf_to_lark

    try:
        return {"lark_grammar": gbnf_to_lark(_text("gbnf", value))}
    except RequestError:
        raise
    except Exception as error:  # the converter's own, and whatever else bad text makes it trip over
        raise RequestError(f'option "gbnf" is no grammar: {error}') from error


def _read_lark(value: Any) -> dict[str, Any]:
    return {"lark_grammar": _text("lark", value)}


_READERS: Mapping[str, Callable[[Any], dict[str, Any]]] = {
    "format": _read_format,
    "regex": _read_regex,
    "gbnf": _read_gbnf,
    "lark": _read_lark,
}


def _faults(root: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Types and local references that do not exist, with their places: what Ollama has words of its own for."""
    stack = [("#", root)]
    while stack:
        place, part = stack.pop()
        kinds = part.get("type", [])
        for kind in kinds if isinstance(kinds, list) else [kinds]:
            if isinstance(kind, str) and kind not in _TYPES:
                yield place, f"unrecognized type {kind}"
        if missing := _missing(root, part.get("$ref")):
            yield place, f"cannot resolve $ref {part['$ref']}, {missing} not found"
        stack.extend((f"{place}/{name}", inner) for name, inner in _inside(part) if isinstance(inner, dict))


def _inside(schema: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for key in ("items", "additionalProperties"):
        yield key, schema.get(key)
    for key in ("properties", "patternProperties", "anyOf", "oneOf", "allOf", "prefixItems"):
        inner = schema.get(key)
        pairs = inner.items() if isinstance(inner, dict) else enumerate(inner) if isinstance(inner, list) else ()
        for name, value in pairs:
            yield f"{key}/{name}", value


def _missing(root: Any, reference: Any) -> str:
    """The first part of a local reference that leads nowhere."""
    if not isinstance(reference, str) or not reference.startswith("#/"):
        return ""
    for part in unquote(reference[2:]).split("/"):
        name = part.replace("~1", "/").replace("~0", "~")
        if isinstance(root, dict) and name in root:
            root = root[name]
        elif isinstance(root, list) and name.isdecimal() and int(name) < len(root):
            root = root[int(name)]
        else:
            return part
    return ""


def _only(text: str) -> dict[str, Any]:
    (found,) = json.loads(text)["grammars"]
    return {key: value for key, value in found.items() if value is not None}


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise RequestError(f'option "{name}" is {value!r}; expected a grammar as text')
    return value


def _schema_refusal(place: str, message: str) -> RequestError:
    text = f"Automatic parser generation failed: JSON schema error at {place}: {message}"
    error = {
        "code": 400,
        "message": f"Unable to generate parser for this template. {text}",
        "type": "invalid_request_error",
    }
    return RequestError(json.dumps({"error": error}, separators=(",", ":"), ensure_ascii=False))
