"""Types of parameters and options, in a Modelfile's words and in a request's."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hollama.errors import ModelfileError, OptionInvalid
from hollama.modelfile import OPTIONS, check_options, default_options, parse, typed_parameter


def test_parameters_take_their_types() -> None:
    modelfile = parse(
        "FROM a\nPARAMETER stop x\nPARAMETER temperature 1\nPARAMETER temperature .5e0\nPARAMETER num_ctx +4096\n"
        "PARAMETER use_mmap T\nPARAMETER stop y\nPARAMETER mirostat 1\nSYSTEM s"
    )
    assert modelfile.typed_parameters() == {"stop": ["x", "y"], "temperature": 0.5, "num_ctx": 4096, "use_mmap": True}
    assert modelfile.deprecated_parameters == ("mirostat",)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("temperature", "hot", "invalid float value [hot]"),
        ("temperature", "nan", "invalid float value [nan]"),
        ("temperature", "4e38", "invalid float value [4e38]"),
        ("num_ctx", "1.5", "invalid int value [1.5]"),
        ("num_ctx", "9223372036854775808", "invalid int value [9223372036854775808]"),
        ("num_ctx", "9" * 10_000, f"invalid int value [{'9' * 10_000}]"),
        ("use_mmap", "yes", "invalid bool value [yes]"),
        ("Temperature", "1", "unknown parameter 'Temperature'"),
    ],
)
def test_parameter_errors(name: str, text: str, message: str) -> None:
    with pytest.raises(ModelfileError) as error:
        typed_parameter(name, text)
    assert str(error.value) == message


def test_a_plugins_parameters_are_numbers_booleans_or_text() -> None:
    text = "FROM a\nPARAMETER loud 1\nPARAMETER far 0.5\nPARAMETER on true\nPARAMETER name x\nPARAMETER mirostat 2\n"
    found = parse(text).typed_parameters(("loud", "far", "on", "name", "mirostat"))
    assert found == {"loud": 1, "far": 0.5, "on": True, "name": "x", "mirostat": 2}


def test_requests_are_checked() -> None:
    options = {"num_ctx": 2048.9, "top_p": 1, "seed": None, "mirostat": 2, "use_mmap": False, "stop": ["a"]}
    checked = {"num_ctx": 2048, "top_p": 1.0, "use_mmap": False, "stop": ["a"]}
    assert check_options(options) == checked | {"mirostat": 2}  # unknown here, but a sampler's


def test_unknown_options_pass_as_they_are_and_null_ones_do_not() -> None:
    assert check_options({"loudness": {"left": 1}, "other": None}) == {"loudness": {"left": 1}}


@pytest.mark.parametrize(
    ("key", "value", "kind"),
    [
        ("num_ctx", "8", "of type integer"),
        ("num_ctx", True, "of type integer"),
        ("num_ctx", math.inf, "of type integer"),
        ("num_ctx", 10**400, "of type integer"),
        ("num_ctx", math.nan, "of type integer"),
        ("temperature", "hot", "of type float32"),
        ("temperature", 10**400, "of type float32"),
        ("use_mmap", 1, "of type boolean"),
        ("stop", "x", "of type array"),
        ("stop", ["x", 1], "of an array of strings"),
    ],
)
def test_request_errors(key: str, value: object, kind: str) -> None:
    with pytest.raises(OptionInvalid) as error:
        check_options({key: value})
    assert str(error.value) == f'option "{key}" must be {kind}'


def test_truncation_is_toward_zero() -> None:
    assert check_options({"seed": -1.9}) == {"seed": -1}


def test_defaults_have_their_types() -> None:
    assert check_options(default_options()) == default_options()
    assert default_options()["temperature"] == 0.8
    assert "stop" not in default_options()


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(st.dictionaries(st.sampled_from([*OPTIONS, "unknown"]), values))
def test_any_json_is_checked_or_refused(options: dict[str, object]) -> None:
    try:
        checked = check_options(options)
    except OptionInvalid:
        return
    assert check_options(json.loads(json.dumps(checked))) == checked


@given(st.sampled_from(sorted(OPTIONS)), st.text())
def test_any_text_is_typed_or_refused(name: str, text: str) -> None:
    try:
        value = typed_parameter(name, text)
    except ModelfileError:
        return
    assert check_options({name: value}) == {name: value}
