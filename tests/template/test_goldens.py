"""Ollama's own templates print exactly what Ollama prints."""

from pathlib import Path

import pytest

from hollama.template import GoTemplate, TemplateValues
from hollama.types import Message

SYSTEM = Message("system", "You are a helpful assistant.")
TURNS = (
    Message("user", "Hello, how are you?"),
    Message("assistant", "I'm doing great. How can I help you today?"),
    Message("user", "I'd like to show off how chat templating works!"),
)
CONVERSATIONS = {"user": TURNS[:1], "user-assistant-user": TURNS, "system-user-assistant-user": (SYSTEM, *TURNS)}


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_golden_outputs(shared: Path, name: str) -> None:
    folder = shared / "data" / "templates" / "ollama"
    templates = sorted(folder.glob("*.gotmpl"))
    assert len(templates) == 20
    for path in templates:
        rendered = GoTemplate.parse(path.read_text()).render(TemplateValues(messages=CONVERSATIONS[name]))
        assert rendered == (folder / "testdata" / path.name / name).read_text(), path.name
