"""How errors look in this dialect."""

from __future__ import annotations

from typing import Any

from hollama.api import sse

_KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    529: "overloaded_error",
}


def error(message: str, status: int, request: str) -> dict[str, Any]:
    """The body of a refusal; `request` is hex digits that tell this request from others."""
    return {**_error(message, status), "request_id": f"req_{request}"}


def fault(message: str, status: int) -> bytes:
    """A failure within a stream, which then ends; clients raise it."""
    return sse.event(_error(message, status))


def _error(message: str, status: int) -> dict[str, Any]:
    return {"type": "error", "error": {"type": _KINDS.get(status, "api_error"), "message": message}}
