"""Prompt templates: Go's text/template as Ollama uses it, and the Jinja chat templates of checkpoints.

Knows messages and tools; does not know models, tokens or the parsers of a model's output.
"""

from hollama.template.jinja import JinjaTemplate
from hollama.template.ollama import DEFAULT_TEMPLATE, GoTemplate, collate
from hollama.template.prompt import PromptTemplate, TemplateValues, ThinkingTags, with_image_tags

__all__ = [
    "DEFAULT_TEMPLATE",
    "GoTemplate",
    "JinjaTemplate",
    "PromptTemplate",
    "TemplateValues",
    "ThinkingTags",
    "collate",
    "with_image_tags",
]
