"""Fields that the requests of this dialect share: sampling, effort, formats, and how many answers are wanted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from json.encoder import encode_basestring
from typing import Any, Generic, TypeVar

from hollama.api.syntax import BodyInvalid
from hollama.api.values import options_of
from hollama.types import ChatRequest, GenerateRequest

Request = TypeVar("Request", ChatRequest, GenerateRequest)

MOST_CHOICES = 128  # as at OpenAI
MOST_ANSWERS = 2048
_SEEDS = 2**63  # those below 0 are drawn
_EFFORTS: dict[str, bool | str | None] = {
    "": None,
    "minimal": "low",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "max",
    "ultra": "max",
    "max": "max",
    "none": False,
}


@dataclass(frozen=True)
class Asked(Generic[Request]):
    """A request, and how it is to be answered."""

    request: Request
    stream: bool = False
    include_usage: bool = False
    choices: int = 1  # for each request
    others: tuple[Request, ...] = ()  # of the same body

    def requests(self, seed: int) -> list[Request]:
        """One for each choice, the first as it was asked; `seed` is what to count from where none was given."""
        asked = _choices(self.request, seed, self.choices)
        for other in self.others:
            asked += _choices(other, seed, self.choices)
        return asked


def _choices(request: Request, seed: int, count: int) -> list[Request]:
    return [request] + [_seeded(request, seed, more) for more in range(1, count)]


def _seeded(request: Request, seed: int, more: int) -> Request:
    options = request.terms.options
    given = options.get("seed", -1)
    own = ((seed if given < 0 else given) + more) % _SEEDS
    return replace(request, terms=replace(request.terms, options={**options, "seed": own}))


def asked(request: Request, fields: Mapping[str, Any], others: Sequence[Request] = ()) -> Asked[Request]:
    """Raises BodyInvalid."""
    choices = fields.get("n", 1)
    if not 1 <= choices <= MOST_CHOICES:
        raise BodyInvalid(f"n must be between 1 and {MOST_CHOICES}")
    if choices * (1 + len(others)) > MOST_ANSWERS:
        raise BodyInvalid(f"too many answers in one request: prompts times n must be at most {MOST_ANSWERS}")
    include_usage = fields.get("stream_options", {}).get("include_usage", False)
    return Asked(request, fields.get("stream", False), include_usage, choices, tuple(others))


def think(effort: str) -> bool | str | None:
    """How much to think, from `reasoning_effort`. Raises BodyInvalid."""
    if effort not in _EFFORTS:
        known = ", ".join(f'"{name}"' for name in _EFFORTS if name not in ("", "none"))
        raise BodyInvalid(f'invalid reasoning value: {encode_basestring(effort)} (must be {known}, or "none")')
    return _EFFORTS[effort]


def sampling(fields: Mapping[str, Any], **names: str) -> dict[str, Any]:
    """Options under Ollama's names, of the fields that the request gives; `names` says where those differ."""
    same = ("temperature", "top_p", "seed", "frequency_penalty", "presence_penalty")
    renamed = {name: fields[field] for field, name in names.items() if field in fields}
    return renamed | options_of(fields, same)
