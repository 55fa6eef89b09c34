"""/v1/models: what is installed. Source: facts about the API, 5.5."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any


def model_entry(id: str, modified_at: datetime, owner: str) -> dict[str, Any]:
    return {"id": id, "object": "model", "created": int(modified_at.timestamp()), "owned_by": owner}


def model_list(entries: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """With no models an empty list, where Ollama says null."""
    return {"object": "list", "data": list(entries)}
