"""The official clients see the thoughts and calls of every family as they stream; results go back in its words."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import anthropic
import openai
import pytest

from tests.server.server_desk import Desk

HELLO: Any = [{"role": "user", "content": "Weather in Zug and Bern?"}]
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}}
TOOL: Any = {"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}
ANTHROPIC: Any = {"name": "weather", "input_schema": SCHEMA}
ZUG, BERN = {"city": "Zug", "days": 1}, {"city": "Bern", "days": 2}


def call(words: str, city: dict[str, Any]) -> str:
    return f'{{"name": "weather", "{words}": {json.dumps(city)}}}'


@dataclass(frozen=True)
class Family:
    """A chat template in the family's manner, and what its model says."""

    one_call: str  # Jinja, of the call `c`
    script: str
    ending: str = ""  # of the prompt
    text: str = ""
    thinking: str = ""
    opening: str = ""  # before all calls of a turn

    @property
    def template(self) -> str:
        each = f"{{% for c in m.tool_calls %}}{self.one_call}{{% endfor %}}"
        calls = f"{{% if m.tool_calls %}}{self.opening}{each}{{% endif %}}"
        turns = "{% for m in messages %}[{{ m.role }}]{{ m.content or '' }}" + calls + "{% endfor %}"
        return f"{{{{ tools | tojson }}}}{turns}[assistant]{self.ending}"


def deepseek(text: str) -> str:
    return text.replace("{|", "<\uff5c").replace("|}", "\uff5c>").replace("~", "\u2581")


def one_deepseek(city: dict[str, Any]) -> str:
    return "{|tool~call~begin|}function{|tool~sep|}weather\n```json\n" + json.dumps(city) + "\n```{|tool~call~end|}"


FAMILIES = {
    "qwen": Family(
        "<tool_call>{{ c.function | tojson }}</tool_call>",
        f"<think>\nTwo cities.\n</think>\n\nI look.\n<tool_call>\n{call('arguments', ZUG)}\n</tool_call>\n"
        f"<tool_call>\n{call('arguments', BERN)}\n</tool_call>",
        ending="{% if enable_thinking is false %}<think></think>{% endif %}",
        text="I look.",
        thinking="Two cities.\n",
    ),
    "qwen-coder": Family(
        "<tool_call><function={{ c.function.name }}>{% for k, v in c.function.arguments | items %}<parameter={{ k }}>"
        "{{ v }}</parameter>{% endfor %}</function></tool_call>",
        "".join(
            "<tool_call>\n<function=weather>\n<parameter=city>\n{city}\n</parameter>\n<parameter=days>\n{days}\n"
            "</parameter>\n</function>\n</tool_call>\n".format(**city)
            for city in (ZUG, BERN)
        ),
    ),
    "llama": Family(
        '<|start_header_id|>ipython'
        '{"name": "{{ c.function.name }}", "parameters": {{ c.function.arguments | tojson }}}',
        f"{call('parameters', ZUG)}; {call('parameters', BERN)}",
    ),
    "llama-python": Family(
        "<|python_tag|>{{ c.function.name }}",
        '<|python_tag|>[weather.call(city="Zug", days=1), weather.call(city="Bern", days=2)]',
    ),
    "mistral": Family(
        "{{ c.function | tojson }}",
        f"Well. [TOOL_CALLS][{call('arguments', ZUG)}, {call('arguments', BERN)}]",
        text="Well.",
        opening="[TOOL_CALLS]",
    ),
    "mistral-2025": Family(
        "[TOOL_CALLS]{{ c.function.name }}[ARGS]{{ c.function.arguments | tojson }}{# [THINK][/THINK] #}",
        "[THINK]Hm.[/THINK]"
        + "".join(f"[TOOL_CALLS]weather[ARGS]{json.dumps(city)}" for city in (ZUG, BERN)),
        thinking="Hm.",
    ),
    "deepseek": Family(
        deepseek("{|tool~call~begin|}function{|tool~sep|}{{ c.function.name }}{|tool~call~end|}"),
        deepseek("Two cities.\n</think>\n\n{|tool~calls~begin|}" + one_deepseek(ZUG) + "\n" + one_deepseek(BERN))
        + deepseek("{|tool~calls~end|}"),
        ending="<think>\n{# </think> #}",
        thinking="Two cities.\n",
    ),
}  # fmt: skip


@pytest.fixture(params=FAMILIES)
async def spoken(request: Any, start: Callable[..., Any], install: Callable[..., None], device: Any) -> Any:
    family = FAMILIES[request.param]
    install("m", context=4096, chat_template=family.template)
    device.script = family.script
    return family, await start()


async def test_ollama(spoken: tuple[Family, Desk]) -> None:
    family, desk = spoken
    options = {"num_predict": 900}
    stream = await desk.client.chat("m", HELLO, tools=[TOOL], stream=True, options=options)
    chunks = [chunk async for chunk in stream]
    said = "".join(chunk.message.content or "" for chunk in chunks)
    thought = "".join(chunk.message.thinking or "" for chunk in chunks)
    calls = [found for chunk in chunks for found in chunk.message.tool_calls or ()]
    assert (said, thought) == (family.text, family.thinking)
    assert [(found.function.name, found.function.arguments) for found in calls] == [("weather", ZUG), ("weather", BERN)]
    assert (chunks[-1].done, chunks[-1].done_reason) == (True, "stop")
    results = [{"role": "tool", "content": city["city"], "tool_name": "weather"} for city in (ZUG, BERN)]
    turns = [*HELLO, {"role": "assistant", "content": said, "tool_calls": [found.model_dump() for found in calls]}]
    body = {"model": "m", "messages": [*turns, *results], "tools": [TOOL], "_debug_render_only": True}
    status, shown = await desk.post("/api/chat", body)
    prompt = shown["_debug_info"]["rendered_template"]
    assert status == 200
    assert prompt.index("weather", prompt.index("[user]")) < prompt.index("[tool]Zug[tool]Bern[assistant]")


async def test_openai(spoken: tuple[Family, Desk]) -> None:
    family, desk = spoken
    async with openai.AsyncOpenAI(base_url=f"{desk.url}/v1", api_key="any", max_retries=0) as client:
        stream = await client.chat.completions.create(
            model="m", messages=HELLO, tools=[TOOL], stream=True, max_tokens=900
        )
        choices = [chunk.choices[0] async for chunk in stream]
    calls = [found for choice in choices for found in choice.delta.tool_calls or ()]
    assert "".join(choice.delta.content or "" for choice in choices) == family.text
    assert "".join(getattr(choice.delta, "reasoning", None) or "" for choice in choices) == family.thinking
    assert [found.index for found in calls] == [0, 1]
    assert len({found.id for found in calls}) == 2
    assert [json.loads(found.function.arguments) for found in calls] == [ZUG, BERN]  # type: ignore[union-attr, arg-type]
    assert choices[-1].finish_reason == "tool_calls"


async def test_anthropic(spoken: tuple[Family, Desk]) -> None:
    family, desk = spoken
    async with (
        anthropic.AsyncAnthropic(base_url=desk.url, api_key="any", max_retries=0) as client,
        client.messages.stream(model="m", max_tokens=900, messages=HELLO, tools=[ANTHROPIC]) as stream,
    ):
        answer = await stream.get_final_message()
    found = {"text": "", "thinking": ""} | {block.type: getattr(block, block.type, "") for block in answer.content}
    assert (found["text"], found["thinking"]) == (family.text, family.thinking)
    uses = [block for block in answer.content if block.type == "tool_use"]
    assert [use.input for use in uses] == [ZUG, BERN]
    assert len({use.id for use in uses}) == 2
    assert answer.stop_reason == "tool_use"


async def test_thinking_is_switched_and_graded(spoken: tuple[Family, Desk]) -> None:
    family, desk = spoken
    body = {"model": "m", "messages": HELLO, "options": {"num_predict": 900}, "stream": False}
    for level in ("low", "medium", "high", True):
        status, answer = await desk.post("/api/chat", body | {"think": level})
        assert status == (200 if family.thinking else 400)
        assert not family.thinking or answer["message"]["thinking"] == family.thinking
    status, answer = await desk.post("/api/chat", body | {"think": False})
    assert status == 200
    assert "thinking" not in answer["message"]


async def test_renderer_and_parser(start: Callable[..., Any], install: Callable[..., None], device: Any) -> None:
    """They are kept, shown, and used; a renderer that nobody knows is told when a prompt is made."""
    install("bare", context=4096)
    device.script = FAMILIES["qwen-coder"].script
    desk: Desk = await start()
    names = {"renderer": "qwen3-coder", "parser": "qwen3-coder"}
    assert (await desk.post("/api/create", {"model": "m", "from": "bare", "stream": False} | names))[0] == 200
    shown = (await desk.post("/api/show", {"model": "m"}))[1]
    assert "RENDERER qwen3-coder\nPARSER qwen3-coder\n" in shown["modelfile"]
    assert set(shown["capabilities"]) == {"completion", "tools"}
    answer = await desk.client.chat("m", HELLO, tools=[TOOL], options={"num_predict": 900})
    assert [found.function.arguments for found in answer.message.tool_calls or ()] == [ZUG, BERN]
    body = {"model": "m", "messages": HELLO, "tools": [TOOL], "_debug_render_only": True}
    prompt = (await desk.post("/api/chat", body))[1]["_debug_info"]["rendered_template"]
    assert "<function>\n<name>weather</name>" in prompt
    made = {"model": "n", "from": "bare", "stream": False, "renderer": "nobody", "parser": "nobody"}
    assert (await desk.post("/api/create", made))[0] == 200
    status, answer = await desk.post("/api/chat", {"model": "n", "messages": HELLO})
    assert (status, answer["error"]) == (500, 'unknown renderer "nobody"')
