"""OpenAI's dialect as Ollama speaks it: bodies to requests, events to bytes. Pure; knows no server and no model.

Source: facts about the API, section 5. More than Ollama: `n`, `max_completion_tokens`, `reasoning_content`, `echo`, the
log-probabilities of completions, and errors within a stream.
"""

from hollama.api.openai.envelope import error, fault

__all__ = ["error", "fault"]
