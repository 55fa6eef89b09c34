"""Ollama's own dialect of embeddings: bodies to requests, vectors to answers. Pure; knows no server and no model.

Source: facts about the API, 4.3 and 4.4.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hollama.api.decode import decode
from hollama.api.encode import floats, without_empty
from hollama.api.syntax import BodyInvalid
from hollama.api.tables import EMBED, EMBEDDINGS
from hollama.errors import RequestError
from hollama.types import Embedded, EmbedRequest


def embed_request(body: bytes) -> EmbedRequest:
    """/api/embed; an empty text alone asks for nothing. Raises BodyInvalid."""
    fields = decode(body, EMBED)
    given = fields.get("input")
    return EmbedRequest(
        model=fields.get("model", ""),
        texts=() if given == "" else texts(given),
        truncate=fields.get("truncate", True),
        dimensions=fields.get("dimensions", 0),
        **_common(fields),
    )


def embeddings_request(body: bytes) -> EmbedRequest:
    """/api/embeddings: one text, never cut, its vector as the model gives it. Raises RequestError."""
    fields = decode(body, EMBEDDINGS)
    if not fields.get("model"):
        raise RequestError("model is required")
    prompt = fields.get("prompt", "")
    return EmbedRequest(
        fields["model"], (prompt,) if prompt else (), truncate=False, normalised=False, **_common(fields)
    )


def texts(given: Any) -> tuple[str, ...]:
    """What an input says: a text or a list of texts. Raises BodyInvalid."""
    match given:
        case None:
            return ()
        case str():
            return (given,)
        case list() if all(isinstance(item, str) for item in given):
            return tuple(given)
    raise BodyInvalid("invalid input type")


def _common(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {"options": fields.get("options", {}), "keep_alive": fields.get("keep_alive")}


def embed_answer(model: str, embedded: Embedded) -> dict[str, Any]:
    answer = {
        "model": model,
        "embeddings": [floats(vector) for vector in embedded.vectors],
        "total_duration": embedded.total_ns,
        "load_duration": embedded.load_ns,
        "prompt_eval_count": embedded.tokens,
    }
    return without_empty(answer, "model", "embeddings")


def embeddings_answer(embedded: Embedded) -> dict[str, Any]:
    return {"embedding": [number for vector in embedded.vectors for number in floats(vector)]}
