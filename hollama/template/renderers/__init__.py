"""Ollama's built-in renderers, one Jinja file each, for a Modelfile's RENDERER. Knows no checkpoints.

Source: facts about Modelfiles 10; the instructions to the model are its family's own. Each reproduces what the chat
template of its checkpoints does, so that a renderer without a file here is that template.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from types import MappingProxyType

from hollama.errors import TemplateFailed

_FILES = MappingProxyType(
    {
        "qwen3-coder": "qwen3-coder",
        "qwen3-vl-instruct": "qwen3-vl",
        "qwen3-vl-thinking": "qwen3-vl",
        "qwen3.5": "qwen3.5",
        "ornith": "qwen3.5",
        "deepseek3.1": "deepseek3.1",
    }
)
_OTHERS = """cogito cohere functiongemma gemma4 gemma4-large gemma4-small glimmer glm-4.7 glm-ocr laguna lfm2
lfm2-thinking nemotron-3-nano nemotron-3.5-nano olmo3 olmo3.1 olmo3-think olmo3-32b-think poolside-v1 qwen3.8"""


@lru_cache
def renderer_text(name: str) -> str | None:
    """The Jinja text of a renderer; None for one that Ollama has and hollama does not.

    Raises TemplateFailed for a name that neither has.
    """
    if name in _FILES:
        return f"{{% set renderer = '{name}' %}}" + (Path(__file__).parent / f"{_FILES[name]}.jinja").read_text("utf-8")
    if name in _OTHERS.split():
        return None
    raise TemplateFailed(f'unknown renderer "{name}"')
