"""What all answers of this dialect have in common: how errors look, and what every chunk of an answer repeats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hollama.api import sse
from hollama.types import Finished, Rendered

FINGERPRINT = "fp_ollama"
_KINDS = {400: "invalid_request_error", 404: "not_found_error"}


@dataclass(frozen=True)
class Head:
    """Of one answer: the number in its ids, when it was made (seconds since 1970), the model as it was asked for."""

    number: int
    created: int
    model: str


def error(message: str, status: int) -> dict[str, Any]:
    """The body of a refusal."""
    return {"error": {"message": message, "type": _KINDS.get(status, "api_error"), "param": None, "code": None}}


def fault(message: str, status: int) -> bytes:
    """A failure within a stream, which then ends; clients raise it."""
    return sse.data(error(message, status))


def usage(ends: Sequence[Finished | Rendered | None], prompts: int = 1) -> dict[str, int]:
    """Tokens of all answers to some prompts, of which each counts once; those to the same one stand together."""
    counts = [end.statistics for end in ends if isinstance(end, Finished)]
    prompt = sum(count.prompt_tokens for count in counts[:: max(1, len(ends) // prompts)])
    generated = sum(count.generated_tokens for count in counts)
    return {"prompt_tokens": prompt, "completion_tokens": generated, "total_tokens": prompt + generated}
