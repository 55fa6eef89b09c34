"""Built-in renderers make the prompts that the chat templates of their families make."""

import pytest

from hollama.errors import TemplateFailed
from hollama.template import JinjaTemplate, TemplateValues
from hollama.template.renderers import renderer_text
from hollama.types import Message, ToolCall

TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "Weather <now>",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string", "description": "Where", "enum": ["Oslo", "Rome"]}},
            "required": ["city"],
        },
    },
}
CALLS = (ToolCall("weather", {"city": "Oslo"}, id="a"), ToolCall("weather", {"days": [1, 2]}, id="b"))
TURNS = (
    Message("system", "Be kind."),
    Message("user", "Hi"),
    Message("assistant", "Hello.", thinking="greet"),
    Message("user", "Weather?"),
    Message("assistant", "I look.", thinking="look", tool_calls=CALLS),
    Message("tool", "cold", tool_name="weather", tool_call_id="a"),
    Message("tool", "hot", tool_name="weather", tool_call_id="b"),
)
CONVERSATIONS = [
    TURNS[:2],
    TURNS[1:2],
    TURNS[:4],
    TURNS,
    (*TURNS, Message("assistant", "Both."), Message("user", "Ta")),
]


def render(name: str, messages: tuple[Message, ...], tools: bool = False, think: bool | None = None) -> str:
    text = renderer_text(name)
    assert text
    values = TemplateValues(
        messages=messages, tools=(TOOL,) if tools else (), think=bool(think), is_think_set=think is not None
    )
    return JinjaTemplate(text).render(values)


def real(shared, name: str, messages: tuple[Message, ...], tools: bool, **variables) -> str:
    (path,) = (shared / "data" / "templates" / "hf-jinja").rglob(name)
    chat = []
    for message in messages:
        calls = [{"function": {"name": call.name, "arguments": dict(call.arguments)}} for call in message.tool_calls]
        turn = {"role": message.role, "content": message.content, "reasoning_content": message.thinking}
        chat.append(turn | ({"tool_calls": calls} if calls else {}))
    return JinjaTemplate(path.read_text()).render_chat(chat, (TOOL,) if tools else (), **variables)


@pytest.mark.parametrize("tools", [False, True])
@pytest.mark.parametrize("messages", CONVERSATIONS)
def test_qwen(shared, messages: tuple[Message, ...], tools: bool) -> None:
    """The next generation's template, told to think as this one does, and the last one's."""
    for think in (None, True, False):
        switch = {} if think is None else {"enable_thinking": think}
        for name, keeps in (("qwen3.5", False), ("ornith", True)):
            expected = real(
                shared, "qwen38*", messages, tools, reasoning_effort="medium", preserve_thinking=keeps, **switch
            )
            assert render(name, messages, tools, think) == expected
    if messages[0].role == "system":
        expected = real(shared, "Qwen-Qwen2.5*", messages, tools)
        assert render("qwen3-vl-instruct", messages, tools) == expected
        thoughts = "<think>\nlook\n</think>\n\n"
        thinking = render("qwen3-vl-thinking", messages, tools).removesuffix("<think>\n")
        assert thinking.replace(thoughts, "") == expected
        assert (thoughts in thinking) == (messages == TURNS)


def test_qwen_coder() -> None:
    text = render("qwen3-coder", TURNS[1:], tools=True)
    system, *turns = text.split("<|im_start|>")[1:]
    assert system.startswith("system\nYou are Qwen,")
    assert "<function>\n<name>weather</name>\n<description>Weather <now></description>\n<parameters>\n" in system
    assert '<type>string</type>\n<description>Where</description>\n<enum>["Oslo", "Rome"]</enum>\n' in system
    assert '</parameter>\n<required>["city"]</required>\n</parameters>\n</function>\n</tools>' in system
    first = "<tool_call>\n<function=weather>\n<parameter=city>\nOslo\n</parameter>\n</function>\n</tool_call>"
    second = first.replace("city", "days").replace("Oslo", "[1, 2]")
    results = "<tool_response>\ncold\n</tool_response>\n<tool_response>\nhot\n</tool_response>\n"
    assert turns == [
        "user\nHi<|im_end|>\n",
        "assistant\nHello.<|im_end|>\n",
        "user\nWeather?<|im_end|>\n",
        f"assistant\nI look.\n\n{first}\n{second}<|im_end|>\n",
        f"user\n{results}<|im_end|>\n",
        "assistant\n",
    ]
    assert render("qwen3-coder", TURNS[:2]).startswith("<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user")


def test_deepseek() -> None:
    bar, blank = "\uff5c", "\u2581"

    def marks(text: str) -> str:
        return text.replace("{", f"<{bar}").replace("}", f"{bar}>").replace("_", blank)

    assert render("deepseek3.1", TURNS[:4], think=True) == marks(
        "{begin_of_sentence}Be kind.{User}Hi{Assistant}</think>Hello.{end_of_sentence}{User}Weather?{Assistant}<think>"
    )
    text = render("deepseek3.1", TURNS, tools=True, think=False)
    call = 'weather{tool_sep}["city": "Oslo"]{tool_call_end}{tool_call_begin}weather{tool_sep}["days": (1, 2)]'
    call = marks(call).replace("[", "{").replace("]", "}").replace("(", "[").replace(")", "]")
    assert marks("I look.{tool_calls_begin}{tool_call_begin}") + call in text
    assert text.endswith(marks("{tool_output_begin}cold{tool_output_end}{tool_output_begin}hot{tool_output_end}"))
    assert "### weather\nDescription: Weather <now>\n\nParameters: {" in text


def test_a_begun_answer_goes_on() -> None:
    for name in ("qwen3-coder", "qwen3-vl-instruct", "qwen3.5", "deepseek3.1"):
        assert render(name, (*TURNS[:2], Message("assistant", "Well"))).endswith("Well")


def test_names() -> None:
    assert renderer_text("cohere") is None
    with pytest.raises(TemplateFailed, match='unknown renderer "x"'):
        renderer_text("x")
