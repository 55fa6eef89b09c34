"""What a skill makes: a conversation whose assistant turns are to be learned, and how to judge its last one.

Messages are those of Ollama's /api/chat: role, content, and `tool_calls` as `{"function": {"name", "arguments"}}`.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

Message = dict[str, Any]
Tool = dict[str, Any]


@dataclass(frozen=True)
class Check:
    """How the last answer is judged. `kind` is one of exact (the text), keys (all of the strings occur),
    number (the last number), json (the value) and call (name and arguments).
    """

    kind: str
    value: Any


@dataclass(frozen=True)
class Sample:
    skill: str
    messages: tuple[Message, ...]
    check: Check
    tools: tuple[Tool, ...] = ()


def user(text: str) -> Message:
    return {"role": "user", "content": text}


def system(text: str) -> Message:
    return {"role": "system", "content": text}


def assistant(text: str) -> Message:
    return {"role": "assistant", "content": text}


def call(name: str, arguments: dict[str, Any]) -> Message:
    return {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": name, "arguments": arguments}}]}


def result(value: object) -> Message:
    return {"role": "tool", "content": value if isinstance(value, str) else json.dumps(value)}


def called(answer: Message) -> tuple[str, Any] | None:
    """Name and arguments of the answer's only call, be it parsed by a server or still text; None without one."""
    calls = [entry["function"] for entry in answer.get("tool_calls") or ()]
    for block in re.findall(r"<tool_call>\s*(.*?)\s*</tool_call>", answer["content"], re.DOTALL):
        try:
            calls.append(json.loads(block))
        except ValueError:
            return None
    if len(calls) != 1 or not isinstance(calls[0], dict):
        return None
    return calls[0].get("name"), calls[0].get("arguments")


def parsed(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return None


def judged(check: Check, answer: Message) -> bool:
    """Whether the answer (an assistant message) passes the check."""
    text = answer["content"].strip()
    if check.kind == "call":
        return called(answer) == tuple(check.value)
    if answer.get("tool_calls") or "<tool_call>" in text:
        return False
    if check.kind == "exact":
        return bool(text == check.value)
    if check.kind == "json":
        return parsed(text) == check.value
    if check.kind == "number":
        numbers = re.findall(r"-?\d+", text)
        return bool(numbers) and int(numbers[-1]) == check.value
    return all(key.lower() in text.lower() for key in check.value)
