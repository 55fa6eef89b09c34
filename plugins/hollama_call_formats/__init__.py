"""How families of models write calls of tools: one module each, with its `SPEC`. Knows nothing of streams.

What is read here was written by a model, in other words by anyone: nothing in it may raise, or take long.
"""

from __future__ import annotations

from hollama.hookspecs import hookimpl
from hollama.interfaces import CallFormatSpec

from . import cohere, command_r, deepseek, firefunction, glm, granite, hermes, json, llama, mistral, pythonic, qwen_xml


@hookimpl
def hollama_call_formats() -> list[CallFormatSpec]:
    families = (qwen_xml, glm, hermes, mistral, deepseek, cohere, command_r, llama, granite, firefunction, pythonic)
    return [module.SPEC for module in (*families, json)]
