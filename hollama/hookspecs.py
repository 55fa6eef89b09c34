"""The hooks of hollama: everything a third party can add, on one page.

A plugin is a module that a distribution names under the entry-point group `hollama`. It implements any of these hooks;
each runs once, when hollama starts, and returns frozen specs (see `interfaces.py`):

    from hollama.hookspecs import hookimpl
    from hollama.interfaces import SamplerSpec

    @hookimpl
    def hollama_samplers():
        return [SamplerSpec("loud", order=650, build=lambda context: lambda logits: logits * 2)]

`hollama plugins` shows who provides what. A name given twice and a hook that is misspelt are errors at start.
"""

from __future__ import annotations

from collections.abc import Sequence

import pluggy

from hollama.interfaces import AdapterSpec, BackendSpec, CallFormatSpec, SamplerSpec, TokenizerSpec

hookspec = pluggy.HookspecMarker("hollama")
hookimpl = pluggy.HookimplMarker("hollama")


@hookspec
def hollama_samplers() -> Sequence[SamplerSpec]:  # type: ignore[empty-body]
    """Links of the sampling chain, run in ascending `order` for every token of every request."""


@hookspec
def hollama_tokenizers() -> Sequence[TokenizerSpec]:  # type: ignore[empty-body]
    """Kinds of tokenizer; a package's config says by name which one its tokenizer resource needs."""


@hookspec
def hollama_call_formats() -> Sequence[CallFormatSpec]:  # type: ignore[empty-body]
    """Ways in which families of models write calls of tools; a model's template, or its PARSER, chooses one."""


@hookspec
def hollama_adapters() -> Sequence[AdapterSpec]:  # type: ignore[empty-body]
    """File formats of LoRA adapters that a Modelfile's ADAPTER may point at."""


@hookspec
def hollama_backends() -> Sequence[BackendSpec]:  # type: ignore[empty-body]
    """Accelerators that run a HEF package; `HOLLAMA_BACKEND` chooses one by name."""
