"""No tags at all: an answer that is the JSON of a call is one. For every template that shows no other way."""

from __future__ import annotations

from hollama.interfaces import CallFormatSpec

SPEC = CallFormatSpec("json", order=900, matches=lambda template: True, bare=True, help="an answer that is JSON")
