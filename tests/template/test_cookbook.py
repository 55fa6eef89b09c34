"""The recipes of modelfiles/: each parses, renders, and says what its family's own chat template says."""

import json
import re
from datetime import date
from pathlib import Path

import pytest

from hollama.modelfile import Modelfile, parse
from hollama.template import GoTemplate, JinjaTemplate, TemplateValues
from hollama.types import Message, ToolCall

COOKBOOK = Path(__file__).resolve().parents[2] / "modelfiles"
RECIPES = sorted(path.name.removesuffix(".Modelfile") for path in COOKBOOK.glob("*.Modelfile"))
FAMILIES = [name for name in RECIPES if "TEMPLATE" in (COOKBOOK / f"{name}.Modelfile").read_text()]
WITH_TOOLS = ["llama3.2", "mistral-nemo", "qwen2.5", "qwen2.5-coder", "qwen3"]

SYSTEM = Message("system", "You are terse.")
CHAT = (Message("user", "Hi <there> & you"), Message("assistant", "Hello!"), Message("user", "Why?"))
CALL = (
    Message("user", "Weather in Rome and Oslo?"),
    Message("assistant", tool_calls=(ToolCall("weather", {"city": "Rome"}, id="abcdefgh1"),)),
    Message("tool", "12 C", tool_name="weather", tool_call_id="abcdefgh1"),
)
TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather.",
        "parameters": {"type": "object", "required": ["city"], "properties": {"city": {"type": "string"}}},
    },
}
HF = "hf-jinja/llama.cpp"
ORIGINALS = {
    "qwen2.5": f"{HF}/Qwen-Qwen2.5-7B-Instruct.jinja",
    "qwen2.5-coder": f"{HF}/Qwen-Qwen2.5-7B-Instruct.jinja",
    "llama3.2": f"{HF}/meta-llama-Llama-3.2-3B-Instruct.jinja",
    "deepseek-r1-distill": f"{HF}/deepseek-ai-DeepSeek-R1-Distill-Qwen-32B.jinja",
    "mistral-nemo": f"{HF}/mistralai-Mistral-Nemo-Instruct-2407.jinja",
}


def recipe(name: str) -> Modelfile:
    return parse((COOKBOOK / f"{name}.Modelfile").read_bytes())


def template(name: str) -> GoTemplate:
    return GoTemplate.parse(recipe(name).last("template"))


def original(shared: Path, name: str) -> JinjaTemplate:
    return JinjaTemplate((shared / "data" / "templates" / ORIGINALS[name]).read_text(), eos_token="</s>")


def as_chat(messages: tuple[Message, ...]) -> list[dict[str, str]]:
    return [{"role": message.role, "content": message.content} for message in messages]


def spaced(text: str) -> str:
    """Python's JSON has blanks and line breaks where Go's has none; compare what is left."""
    return re.sub(r"\s+", "", text)


@pytest.mark.parametrize("name", RECIPES)
def test_each_recipe_says_how_to_use_it(name: str) -> None:
    modelfile = recipe(name)
    assert modelfile.sources and modelfile.typed_parameters()
    text = (COOKBOOK / f"{name}.Modelfile").read_text()
    assert text.startswith("# ")
    assert f"# Create it: hollama create {name} -f modelfiles/{name}.Modelfile\n" in text
    assert f"# Run it:    hollama run {name} " in text


@pytest.mark.parametrize("name", FAMILIES)
def test_stop_strings_are_those_of_the_template(name: str) -> None:
    text = recipe(name).last("template")
    stops = recipe(name).typed_parameters()["stop"]
    assert any(stop in text or stop.replace("assistant", "{{ .Role }}") in text for stop in stops)


@pytest.mark.parametrize("name", ORIGINALS)
@pytest.mark.parametrize("messages", [CHAT, CHAT[:1], (SYSTEM, *CHAT), (SYSTEM, CHAT[0])])
def test_chats_match_the_original(shared: Path, name: str, messages: tuple[Message, ...]) -> None:
    expected = original(shared, name).render_chat(as_chat(messages), date_string=date.today().isoformat())
    assert template(name).render(TemplateValues(messages=messages)) == expected


@pytest.mark.parametrize("name", ["qwen2", "smollm2", "qwen3"])
def test_chatml(shared: Path, name: str) -> None:
    lines = (shared / "data/templates/ollama/testdata/templates.jsonl").read_text().splitlines()
    chatml = next(json.loads(line)["chatml"] for line in lines if "not add_generation_prompt is defined" in line)
    messages = (SYSTEM, *CHAT)
    expected = JinjaTemplate(chatml).render_chat(as_chat(messages))
    assert template(name).render(TemplateValues(messages=messages)) == expected


def test_zephyr(shared: Path) -> None:
    lines = (shared / "data/templates/ollama/testdata/templates.jsonl").read_text().splitlines()
    zephyr = next(json.loads(line)["zephyr"] for line in lines if '"zephyr"' in line)
    messages = (SYSTEM, *CHAT)
    # the original's last line break is cut off by Jinja
    expected = JinjaTemplate(zephyr, eos_token="</s>").render_chat(as_chat(messages)).rstrip() + "\n"
    assert template("tinyllama").render(TemplateValues(messages=messages)) == expected


@pytest.mark.parametrize("name", ["qwen2.5", "qwen2.5-coder", "llama3.2"])
def test_tool_conversations_match_the_original(shared: Path, name: str) -> None:
    values = TemplateValues(messages=CALL, tools=[TOOL])
    chat = [
        {"role": "user", "content": CALL[0].content},
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [{"type": "function", "function": {"name": "weather", "arguments": {"city": "Rome"}}}],
        },
        {"role": "tool", "content": "12 C"},
    ]
    expected = original(shared, name).render_chat(chat, [TOOL], date_string=date.today().isoformat())
    assert spaced(template(name).render(values)) == spaced(expected)


@pytest.mark.parametrize("name", WITH_TOOLS)
def test_tools_calls_and_results_are_shown(name: str) -> None:
    assert "tools" in template(name).capabilities
    rendered = template(name).render(TemplateValues(messages=CALL, tools=[TOOL]))
    assert '"description":"The weather."' in rendered
    assert '{"city":"Rome"}' in rendered and "12 C" in rendered


@pytest.mark.parametrize(
    ("name", "tag"), [("qwen2.5", "<tool_call>"), ("qwen3", "<tool_call>"), ("mistral-nemo", "[TOOL_CALLS][")]
)
def test_tool_call_tags(name: str, tag: str) -> None:
    assert template(name).tool_call_tag == tag


@pytest.mark.parametrize("name", FAMILIES)
def test_an_answer_that_has_begun_is_continued(name: str) -> None:
    rendered = template(name).render(TemplateValues(messages=(CHAT[0], Message("assistant", "Well, "))))
    assert rendered.endswith("Well, ")


@pytest.mark.parametrize("name", ["qwen3", "deepseek-r1-distill"])
def test_thinking(name: str) -> None:
    tags = template(name).thinking_tags
    assert tags is not None and (tags.opening, tags.closing) == ("<think>", "</think>")
    assert "thinking" in template(name).capabilities
    off = template(name).render(TemplateValues(messages=CHAT, think=False, is_think_set=True))
    assert off.endswith("<think>\n\n</think>\n\n")
    on = template(name).render(TemplateValues(messages=CHAT, think=True, is_think_set=True))
    assert not on.endswith("</think>\n\n")


def test_filling_in_the_middle() -> None:
    coder = template("qwen2.5-coder")
    assert "insert" in coder.capabilities
    rendered = coder.render(TemplateValues(prompt="def f(", suffix="return x"))
    assert rendered == "<|fim_prefix|>def f(<|fim_suffix|>return x<|fim_middle|>"
