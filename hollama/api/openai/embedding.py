"""OpenAI's embeddings: body to request, vectors to the answer, as numbers or as base64. Knows no server and no model.

Source: facts about the API, 5.4.
"""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from hollama.api.decode import decode
from hollama.api.embedding import texts
from hollama.api.encode import floats
from hollama.api.openai.tables import EMBEDDINGS
from hollama.api.syntax import BodyInvalid
from hollama.types import Embedded, EmbedRequest

_FORMATS = ("float", "base64")


@dataclass(frozen=True)
class AskedEmbedding:
    request: EmbedRequest
    base64: bool


def embeddings_request(body: bytes) -> AskedEmbedding:
    """Raises BodyInvalid."""
    fields = decode(body, EMBEDDINGS)
    format = fields.get("encoding_format", "")
    if format and format.lower() not in _FORMATS:
        raise BodyInvalid(f"Invalid value for 'encoding_format' = {format}. Supported values: ['float', 'base64'].")
    given = fields.get("input")
    if given is None or given == []:
        raise BodyInvalid("invalid input")
    request = EmbedRequest(fields.get("model", ""), texts(given), dimensions=fields.get("dimensions", 0))
    return AskedEmbedding(request, format.lower() == "base64")


def embeddings_answer(asked: AskedEmbedding, embedded: Embedded) -> dict[str, Any]:
    data = [
        {"object": "embedding", "embedding": _base64(vector) if asked.base64 else floats(vector), "index": index}
        for index, vector in enumerate(embedded.vectors)
    ]
    usage = {"prompt_tokens": embedded.tokens, "total_tokens": embedded.tokens}
    return {"object": "list", "data": data, "model": asked.request.model, "usage": usage}


def _base64(vector: NDArray[Any]) -> str:
    """Little-endian float32."""
    return b64encode(vector.astype("<f4").tobytes()).decode()
