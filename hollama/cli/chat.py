"""A conversation with one model, kept on the client's side. Knows the API's requests; shows nothing, reads no keys."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hollama.cli.answer import Answer, Display
from hollama.cli.client import Client, Json
from hollama.errors import UsageError

Think = bool | str | None
LEVELS = ("high", "medium", "low", "max")


def parse_think(text: str | None) -> Think:
    """The value of --think; None is nothing said. Raises UsageError."""
    if text in (None, "true", "false"):
        return None if text is None else text == "true"
    if text in LEVELS:
        return text
    raise UsageError(f'invalid value for --think: "{text}" (must be true, false, high, medium, low, or max)')


@dataclass
class Chat:
    """What is asked of which model, and what was said so far. `info` is the answer of /api/show."""

    client: Client
    model: str
    info: Json
    display: Display
    think: Think = None
    format: Any = None  # "json" or a JSON schema
    keep_alive: str | None = None
    verbose: bool = False
    options: dict[str, Any] = field(default_factory=dict)
    messages: list[Json] = field(default_factory=list)

    def can(self, capability: str) -> bool:
        return capability in (self.info.get("capabilities") or ())

    @property
    def system(self) -> str:
        """The system message of this session; empty while the model's own is in force."""
        return next((str(said["content"]) for said in reversed(self.messages) if said["role"] == "system"), "")

    def set_system(self, text: str) -> None:
        """Replace a system message that was the last thing said, else say it now."""
        if self.messages and self.messages[-1]["role"] == "system":
            self.messages.pop()
        self.messages.append({"role": "system", "content": text})

    def clear(self) -> None:
        """Forget everything but the system message."""
        system = self.system
        self.messages = [{"role": "system", "content": system}] if system else []

    def load(self) -> None:
        """Have the server load the model."""
        self.client.post("/api/generate", self._request())

    def generate(self, prompt: str) -> Answer:
        """Answer one prompt, outside the conversation."""
        return self.display.show(self.client.stream("/api/generate", self._request(prompt=prompt)))

    def ask(self, content: str) -> Answer:
        """Say something and keep the answer; where there is none, the question is forgotten too."""
        self.messages.append({"role": "user", "content": content})
        try:
            answer = self.display.show(self.client.stream("/api/chat", self._request(messages=self.messages)))
        except BaseException:
            self.messages.pop()
            raise
        self.messages.append({"role": "assistant", "content": answer.content, "thinking": answer.thinking})
        return answer

    def _request(self, **what: Any) -> Json:
        """Fields that say nothing are left out, so that an older server does not stumble over them."""
        thinks = self.think if self.think is not None else (True if self.can("thinking") else None)
        said = {"format": self.format, "keep_alive": self.keep_alive, "think": thinks, "options": self.options or None}
        return {"model": self.model, **what, **{name: value for name, value in said.items() if value is not None}}
