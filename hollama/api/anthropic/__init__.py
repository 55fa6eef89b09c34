"""Anthropic's dialect as Ollama speaks it: bodies to requests, events to bytes. Pure; knows no server and no model.

Source: facts about the API, section 6. More than Ollama: tokens are counted, and errors are told within a stream.
"""

from hollama.api.anthropic.envelope import error, fault

__all__ = ["error", "fault"]
