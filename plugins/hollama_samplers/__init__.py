"""Our samplers: one module each, with its `SPEC`. Knows nothing of what they do.

They follow llama.cpp's formulas and order. Ties go to the lower token id, sums run from left to right in float64.
"""

from __future__ import annotations

from hollama.hookspecs import hookimpl
from hollama.interfaces import SamplerSpec

from . import constraint, greedy, min_p, mirostat, penalties, temperature, top_k, top_p, typical_p


@hookimpl
def hollama_samplers() -> list[SamplerSpec]:
    modules = (constraint, penalties, top_k, typical_p, top_p, min_p, temperature, mirostat, greedy)
    return [module.SPEC for module in modules]
