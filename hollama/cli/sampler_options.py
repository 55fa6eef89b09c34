"""Options that a Modelfile may set beside Ollama's: those that installed samplers read. Loads plugins only for them."""

from __future__ import annotations

from collections.abc import Iterable

from hollama.modelfile import OPTIONS


def sampler_options(wanted: Iterable[str]) -> frozenset[str]:
    """The options of all samplers; nothing, at no cost, where `wanted` has only Ollama's."""
    if all(name in OPTIONS for name in wanted):
        return frozenset()
    from hollama.plugins import load_plugins

    samplers = load_plugins().samplers.values()
    return frozenset(option for contribution in samplers for option in contribution.spec.options)
