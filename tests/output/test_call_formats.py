"""Calls in the words of each family, however the text is cut; and nothing lost where it is no call."""

import json
import time
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hollama.interfaces import CallFormatSpec, CallRegion
from hollama.output import CallParser
from hollama.plugins import load_plugins

FORMATS = {name: found.spec for name, found in load_plugins().call_formats.items()}
REGIONS = sorted(name for name, spec in FORMATS.items() if spec.regions)
PARAMETERS = {
    "city": {"type": "string"},
    "days": {"type": "integer"},
    "wind": {"type": ["boolean", "null"]},
    "near": {"type": "array"},
    "share": {"anyOf": [{"type": "number"}, {"type": "string"}]},
    "code": {"type": "string"},
}
TOOLS = [
    {"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": PARAMETERS}}}
    for name in ("weather", "python", "say")
]
PARIS = ("weather", {"city": "Paris", "days": 2})
SAY = ("say", {})
JSON = '{"name": "weather", "arguments": {"city": "Paris", "days": 2}}'
SPOKEN = '{"name": "say", "arguments": {}}'
XML = "<function=weather>\n<parameter=city>\nParis\n</parameter>\n<parameter=days>\n2\n</parameter>\n</function>"


def deepseek(text):
    return text.replace("{|", "<\uff5c").replace("|}", "\uff5c>").replace("~", "\u2581")


def joined(deltas):
    content, calls = "".join(delta.content for delta in deltas), [call for delta in deltas for call in delta.tool_calls]
    assert [call.index for call in calls] == list(range(len(calls)))
    return content, [(call.name, dict(call.arguments)) for call in calls]


def parse(name, *texts):
    parser = CallParser(FORMATS[name], TOOLS)
    return joined([delta for text in texts for delta in parser.push(text)] + parser.flush())


CITY, DAYS = '"city": "Paris"', '"days": 2'
ACTION = '{"tool_name": "weather", "parameters": {"city": "Paris", "days": 2}}'
CLOSING = '{"name": "say", "arguments": {"city": "</tool_call>"}}'
ADA = '```json\n{"name": "Ada", "arguments": {}}\n```\n'
CODE = "<function=say><parameter=code>\nif a < b:\n    x()\n\n</parameter></function>"
VALUES = """<function=say><parameter=wind>True</parameter><parameter=near>[1, {}]</parameter>
<parameter=share>0.50</parameter><parameter=days>many</parameter><parameter=city>null</parameter>
<parameter=new>7</parameter></function>"""
VALUED = {"wind": True, "near": [1, {}], "share": 0.5, "days": "many", "city": None, "new": "7"}
GLM = "weather\n<arg_key>city</arg_key>\n<arg_value>Paris</arg_value><arg_key>days</arg_key><arg_value>2</arg_value>"
PYTHON = 'weather(city="Paris", days=2)\nsay(near=[-1, {"a": null}], wind=True)'
NEAR = ("say", {"near": [-1, {"a": None}], "wind": True})
SYSTEM = "<function_calls>__import__('os').system('x')</function_calls>"
DEEPSEEK_R1 = (
    "{|tool~call~begin|}function{|tool~sep|}weather\n```json\n{" + f"{CITY}, {DAYS}" + "}\n```{|tool~call~end|}\n"
    "{|tool~call~begin|}function{|tool~sep|}say\n```json\n{}\n```{|tool~call~end|}"
)
DEEPSEEK_V31 = "{|tool~call~begin|}weather{|tool~sep|}{" + f"{CITY}, {DAYS}" + "}{|tool~call~end|}"
ALL = "{|tool~calls~begin|}%s{|tool~calls~end|}"
CASES = [
    ("hermes", f"<tool_call>\n{JSON}\n</tool_call>", "", [PARIS]),
    ("hermes", f"See.\n<tool_call>{JSON}</tool_call>\n<tool_call>{SPOKEN}</tool_call>", "See.", [PARIS, SAY]),
    ("hermes", f"<tool_call>{JSON}", "", [PARIS]),
    ("hermes", f"<tool_call>{JSON}</tool_call> Done.", "Done.", [PARIS]),
    ("hermes", f"<tool_call>{CLOSING}</tool_call>", "", [("say", {"city": "</tool_call>"})]),
    ("hermes", f"<tool_call> is a tag: <tool_call>{SPOKEN}</tool_call>", "<tool_call> is a tag:", [SAY]),
    ("hermes", '<tool_call>{"name": "weather", "argum', '<tool_call>{"name": "weather", "argum', []),
    ("hermes", "a <tool", "a <tool", []),
    ("hermes", f"```json\n{JSON}\n```", "", [PARIS]),
    ("hermes", ADA, ADA, []),
    ("hermes", f"<tools>{JSON}\n{SPOKEN}</tools>", "", [PARIS, SAY]),
    ("hermes", '<tool_call>{"name": "say", "arguments": "{\\"days\\": 1}"}</tool_call>', "", [("say", {"days": 1})]),
    ("qwen-xml", f"<tool_call>\n{XML}\n</tool_call>", "", [PARIS]),
    ("qwen-xml", f"I look.\n\n{XML}\n</tool_call>", "I look.", [PARIS]),
    ("qwen-xml", f"<tool_call>{XML}</tool_call><tool_call><function=say></function></tool_call>", "", [PARIS, SAY]),
    ("qwen-xml", f"<tool_call>{XML}<function=say></function></tool_call>", "", [PARIS, SAY]),
    ("qwen-xml", f"<tool_call>{CODE}</tool_call>", "", [("say", {"code": "if a < b:\n    x()\n"})]),
    ("qwen-xml", VALUES, "", [("say", VALUED)]),
    ("qwen-xml", CODE.replace("x()", "</function>"), "", [("say", {"code": "if a < b:\n    </function>\n"})]),
    ("glm", f"<tool_call>{GLM}\n</tool_call>", "", [PARIS]),
    ("mistral", f"[TOOL_CALLS][{JSON}, {SPOKEN}]", "", [PARIS, SAY]),
    ("mistral", 'Well. [TOOL_CALLS] [{"name": "say", "arguments": {}, "id": "123456789"}]', "Well.", [SAY]),
    ("mistral", f"[TOOL_CALLS]weather[ARGS]{{{CITY}, {DAYS}}}[TOOL_CALLS]say[ARGS]{{}}", "", [PARIS, SAY]),
    ("mistral", f"[TOOL_CALLS]weather[CALL_ID]abc[ARGS]{{{CITY}, {DAYS}}}", "", [PARIS]),
    ("mistral", "[TOOL_CALLS] nothing", "[TOOL_CALLS] nothing", []),
    ("deepseek", deepseek(ALL % DEEPSEEK_R1), "", [PARIS, SAY]),
    ("deepseek", deepseek(DEEPSEEK_R1), "", [PARIS, SAY]),
    ("deepseek", deepseek("I see." + ALL % DEEPSEEK_V31), "I see.", [PARIS]),
    ("cohere", f"<|START_ACTION|>[\n{ACTION}\n]<|END_ACTION|>", "", [PARIS]),
    ("cohere", "<|START_RESPONSE|>Hello.<|END_RESPONSE|>", "Hello.", []),
    ("command-r", f'Action: ```json\n[{ACTION}, {{"tool_name": "say", "parameters": {{}}}}]```', "", [PARIS, SAY]),
    ("llama", f"<|python_tag|>{JSON.replace('arguments', 'parameters')}", "", [PARIS]),
    ("llama", '<|python_tag|>weather.call(city="Paris", days=2)', "", [PARIS]),
    ("llama", "<|python_tag|>import os\nprint(os)", "", [("python", {"code": "import os\nprint(os)"})]),
    ("llama", f"<function=weather>{{{CITY}, {DAYS}}}</function>", "", [PARIS]),
    ("granite", f"<|tool_call|>[{JSON}]", "", [PARIS]),
    ("granite", f"<|tool_call|>[{JSON}]<|/tool_call|>", "", [PARIS]),
    ("firefunction", f" functools[{JSON}, {SPOKEN}]", "", [PARIS, SAY]),
    ("pythonic", '<|tool_call_start|>[weather(city="Paris", days=2), say()]<|tool_call_end|>W', "W", [PARIS, SAY]),
    ("pythonic", f"<function_calls>\n{PYTHON}\n</function_calls>", "", [PARIS, NEAR]),
    ("pythonic", SYSTEM, SYSTEM, []),
]


@pytest.mark.parametrize(("name", "text", "content", "calls"), CASES)
def test_calls(name, text, content, calls):
    assert parse(name, text) == (content, calls)
    assert parse(name, *text) == (content, calls)


def test_every_format_has_a_case():
    assert {name for name, *_ in CASES} == set(REGIONS)


WORDS = ["{", "}", "[", "]", '"', "\\", " ", "\n", "say", "weather(days=1)", "function", "null", JSON, SPOKEN, XML, "x"]


def texts(name):
    spec = FORMATS[name]
    marks = [mark for region in spec.regions for mark in (region.opening, region.closing) if mark] + [*spec.frames]
    more = ["[ARGS]", "```", "<function=say>", "<parameter=a>", "</parameter>", "</function>", deepseek("{|tool~sep|}"),
            "<arg_key>a</arg_key>", "<arg_value>", "</arg_value>"]  # fmt: skip
    return st.lists(st.sampled_from([*marks, *marks, *(mark[:-1] for mark in marks), *WORDS, *more]), max_size=14)


@pytest.mark.parametrize("name", REGIONS)
@settings(deadline=None, max_examples=60)
@given(st.data())
def test_where_the_text_is_cut_makes_no_difference(name, data):
    text = "".join(data.draw(texts(name)))
    cuts = data.draw(st.lists(st.integers(0, len(text)), max_size=5))
    pieces = [text[start:end] for start, end in pairwise([0, *sorted(cuts), len(text)])]
    assert parse(name, *pieces) == parse(name, text) == parse(name, *text)


@pytest.mark.parametrize("name", REGIONS)
@settings(deadline=None, max_examples=60)
@given(st.data())
def test_text_without_calls_is_kept_whole(name, data):
    """But for frames and the white space next to them."""
    text = "".join(data.draw(texts(name)))
    content, calls = parse(name, *text)
    if calls:
        assert all(called and isinstance(arguments, dict) for called, arguments in calls)
        assert all(json.dumps(arguments, allow_nan=False) for _, arguments in calls)
        return
    kept = text
    for frame in FORMATS[name].frames:
        kept = kept.replace(frame, "")
    assert "".join(content.split()) == "".join(kept.split())
    assert content == text or FORMATS[name].frames


@settings(deadline=None)
@given(st.sampled_from(REGIONS), st.text(), st.lists(st.integers(0, 99), max_size=4))
def test_random_text_is_content(name, text, cuts):
    pieces = [text[start:end] for start, end in pairwise([0, *sorted(min(cut, len(text)) for cut in cuts), len(text)])]
    assert parse(name, *pieces) == (text, [])


def test_of_two_marks_the_first_and_longest_is_taken():
    def read(text, tools):
        return [(text.strip(), {})] if text.strip() else ()

    spec = CallFormatSpec(
        "x", 1, lambda template: True, (CallRegion("ab", ".", read), CallRegion("abb", ".", read)), ("b",)
    )

    def calls(*pieces):
        parser = CallParser(spec, ())
        return joined([delta for piece in pieces for delta in parser.push(piece)] + parser.flush())

    for text in ("xabbc.", "xabc.y", "abb.abb", "babbb.", "aabb.", "ab"):
        assert calls(text) == calls(*text)
    assert calls("xabbc.") == ("x", [("c", {})])
    assert calls("xabc.b") == ("x", [("c", {})])


HOSTILE = [
    "<tool_call>" * 5000 + "</tool_call>" * 5000,
    "<tool_call>{" + '"a": "</tool_call>' * 5000,
    "<tool_call>" + "[" * 100_000 + "</tool_call>",
    "[TOOL_CALLS]" * 20_000,
    "<function=a><parameter=b>" * 5000 + "</function>" * 5000,
    "<function_calls>" + "f(" * 20_000 + "</function_calls>",
    "<function_calls>" + "f(a=" + "-" * 60_000 + "1)</function_calls>",
    " " * 50_000 + "<tool_call>",
]


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: text[:24])
@pytest.mark.parametrize("name", ["hermes", "qwen-xml", "mistral", "pythonic", "glm"])
def test_hostile_answers_are_quick(name, text):
    started = time.process_time()
    parser = CallParser(FORMATS[name], TOOLS)
    for start in range(0, len(text), 40):
        parser.push(text[start : start + 40])
    parser.flush()
    assert time.process_time() - started < 5


REAL = {
    "Hermes-2": "hermes",
    "Hermes-3": "hermes",
    "Qwen2.5": "hermes",
    "Llama-3.1-8B-Instruct": "llama",
    "Llama-3.2": "llama",
    "Llama-3.3": "llama",
    "functionary-medium-v3.1": "llama",
    "Nemo": "mistral",
    "DeepSeek-R1": "deepseek",
    "deepseek-r1": "deepseek",
    "command-r-plus": "command-r",
    "command-r7b": "cohere",
    "firefunction": "firefunction",
    "gemma-2": "json",
    "Phi-3.5": "json",
}


def test_real_templates_choose_their_family(shared):
    folder = shared / "data" / "templates" / "hf-jinja" / "llama.cpp"
    formats = sorted(FORMATS.values(), key=lambda spec: spec.order)
    for part, name in REAL.items():
        (path, *_) = folder.glob(f"*{part}*")
        assert next(spec.name for spec in formats if spec.matches(path.read_text())) == name, path.name
