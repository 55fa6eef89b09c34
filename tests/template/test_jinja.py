"""Chat templates of checkpoints, as transformers renders them."""

from datetime import datetime

import pytest

from hollama.errors import TemplateError, TemplateFailed
from hollama.template import JinjaTemplate, TemplateValues
from hollama.types import Message, ToolCall

CHATML = (
    "{% for m in messages %}{{ '<|' + m.role + '|>' + m['content'] }}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
CALL = Message("assistant", tool_calls=(ToolCall("f", {"a": "<é>"}, id="c"),))


def render(text: str, *messages: Message, **values: object) -> str:
    return JinjaTemplate(text, "<s>", "</s>").render(TemplateValues(messages=messages, **values))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{ bos_token }}{{ messages[0].content }}{{ eos_token }}", "<s>hi</s>"),
        ("  {% if true %}\na\n  {% endif %}\nb", "a\nb"),
        ("{% for i in range(9) %}{% if i == 2 %}{% break %}{% endif %}{{ i }}{% endfor %}", "01"),
        ("{{ messages | tojson }}", '[{"role": "user", "content": "hi"}]'),
        ("{{ {'b': '<é>', 'a': 1} | tojson }}", '{"b": "<é>", "a": 1}'),
        ("{{ {'a': 1} | tojson(indent=2) }}", '{\n  "a": 1\n}'),
        ("{{ messages | map(attribute='role') | tojson }}", '["user"]'),
        ("{% generation %}x{% endgeneration %}", "x"),
        ("{{ tools is none }}{{ documents is none }}{{ enable_thinking is defined }}", "TrueTrueFalse"),
        ("{{ 'a' ~ 1 ~ 'b' }}", "a1b"),
        ("{% set n = namespace(x=1) %}{% for m in messages %}{% set n.x = 2 %}{% endfor %}{{ n.x }}", "2"),
        ("{% macro f(x) %}[{{ x }}]{% endmacro %}{{ f('a') }}", "[a]"),
        ("{{ 'a</think>b'.split('</think>')[-1].strip() }}", "b"),
    ],
)
def test_environment(text: str, expected: str) -> None:
    assert render(text, Message("user", "hi")) == expected


def test_dates() -> None:
    assert render("{{ strftime_now('%Y') }}") == datetime.now().strftime("%Y")


def test_a_template_may_refuse() -> None:
    with pytest.raises(TemplateFailed, match="chat template: no system"):
        render("{{ raise_exception('no system') }}")


def test_syntax_errors_have_a_line() -> None:
    with pytest.raises(TemplateError, match="chat template: line 2: "):
        JinjaTemplate("a\n{% nope %}")


def test_generation_prompt_or_continuation() -> None:
    assert render(CHATML, Message("user", "a")) == "<|user|>a<|assistant|>"
    assert render(CHATML + "<end>", Message("user", "a"), Message("assistant", "b ")) == "<|user|>a<|assistant|>b"
    assert render(CHATML, Message("user", "a"), response="b") == "<|user|>a<|assistant|>b"


def test_system_and_images() -> None:
    assert (
        render(CHATML, Message("user", "a", images=(b"x",)), system="s") == "<|system|>s<|user|>[img-0]a<|assistant|>"
    )


def test_thinking_is_passed_on_when_the_request_speaks_of_it() -> None:
    text = "{{ enable_thinking }} {{ reasoning_effort }}"
    assert render(text) == " "
    assert render(text, think=False, is_think_set=True) == "False "
    assert render(text, think=True, think_level="high", is_think_set=True) == "True high"


def test_messages_carry_calls_results_and_thoughts() -> None:
    text = "{% for m in messages %}{{ m.tool_calls | tojson }}{% endfor %}"
    result = Message("tool", "r", tool_name="f", tool_call_id="c")
    expected = '[{"type": "function", "id": "c", "function": {"name": "f", "arguments": {"a": "<é>"}}}]'
    assert render(text, CALL) == expected
    assert render("{{ messages[0].name }}{{ messages[0].tool_call_id }}", result) == "fc"
    assert (
        render("{{ messages[0].reasoning_content }}", Message("assistant", "x", thinking="T"), Message("user")) == "T"
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{ messages[0].tool_calls[0].function.arguments.a }}", "<é>"),
        ("{{ '' + messages[0].tool_calls[0].function.arguments }}", '{"a": "<é>"}'),
        ("{{ messages[0].content is none }}", "True"),
        ("{{ '[' + messages[0].content + ']' }}", "[]"),
        ("{{ messages[0].content + messages[0].tool_calls[0].function.arguments }}", '{"a": "<é>"}'),
    ],
)
def test_calls_take_the_shape_a_template_wants(text: str, expected: str) -> None:
    assert render(text, CALL) == expected


def test_a_system_text_that_a_template_refuses_goes_to_the_user() -> None:
    text = "{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}" + CHATML
    assert render(text, Message("system", "s"), Message("user", "a")) == "<|user|>s\n\na<|assistant|>"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{ messages }}", set()),
        ("{{ tools }}", {"tools"}),
        ("<think></think>", {"thinking"}),
        ("{{ content.split('</think>')[-1] }}", {"thinking"}),
        ("</think>", set()),
    ],
)
def test_capabilities(text: str, expected: set[str]) -> None:
    assert JinjaTemplate(text).capabilities == expected


def test_real_templates_render(shared) -> None:
    folder = shared / "data" / "templates" / "hf-jinja"
    chat = (Message("user", "Hello"), Message("assistant", "Hi"), Message("user", "Why?"))
    files = sorted(folder.rglob("*.jinja*"))
    assert len(files) > 20
    for file in files:
        template = JinjaTemplate(file.read_text(), "<s>", "</s>")
        tools = [
            {
                "type": "function",
                "function": {"name": "f", "description": "", "parameters": {"type": "object", "properties": {}}},
            }
        ]
        extra = {"functions": "[]", "datetime": "today"} if "firefunction" in file.name else {}
        chats = [{"role": message.role, "content": message.content} for message in chat]
        assert "Why?" in template.render_chat(chats, tools, **extra), file.name
