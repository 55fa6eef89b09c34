"""The grammar: every rule, every error text, and that no bytes at all do worse than a ModelfileError."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hollama.errors import ModelfileError
from hollama.modelfile import Command, parse

COMMAND_ERROR = (
    'command must be one of "from", "license", "template", "system", "adapter", "draft", '
    '"renderer", "parser", "parameter", "message", or "requires"'
)
ROLE_ERROR = 'message role must be one of "system", "user", or "assistant"'


def pairs(text: str | bytes) -> list[tuple[str, str]]:
    return [(command.name, command.args) for command in parse(text).commands]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('FROM a\nSYSTEM """\nhi\n"""', [("model", "a"), ("system", "\nhi\n")]),
        ('FROM a\nSYSTEM "multi\nline"', [("model", "a"), ("system", "multi\nline")]),
        ("FROM a\nPARAMETER stop <|a|>\nPARAMETER stop <|b|>", [("model", "a"), ("stop", "<|a|>"), ("stop", "<|b|>")]),
        ("from a\n  # c\nparameter temperature 0.5 ", [("model", "a"), ("temperature", "0.5")]),
        ('FROM "FOO BAR"', [("model", "FOO BAR")]),
        (
            'FROM a\nMESSAGE user Hello there!\nMESSAGE assistant "Hi"',
            [("model", "a"), ("message", "user: Hello there!"), ("message", "assistant: Hi")],
        ),
        ('FROM a\nSYSTEM You say "hi" # not comment', [("model", "a"), ("system", 'You say "hi" # not comment')]),
        ('FROM a\nSYSTEM "a" b\nc"', [("model", "a"), ("system", 'a" b\nc')]),
        ('FROM a\nSYSTEM """one"two"""', [("model", "a"), ("system", 'one"two')]),
        ('FROM a\nSYSTEM """x\n  """y"""\n', [("model", "a"), ("system", 'x\n  """y')]),
        ("FROM a\nSYSTEM 'hi'", [("model", "a"), ("system", "'hi'")]),
        ("FROM a\nSYSTEM \tb\tc \t\n", [("model", "a"), ("system", "b\tc")]),
        ("FROM a\nSYSTEM \nLICENSE MIT", [("model", "a"), ("system", ""), ("license", "MIT")]),
        ("FROM a\r\nSYSTEM b\r\n", [("model", "a"), ("system", "b")]),
        ("FROM a\rFROM b", [("model", "a"), ("model", "b")]),
        ("FROM a\nPARAMETER Stop x", [("model", "a"), ("Stop", "x")]),
        ("FROM a\nSYSTEM b\u200dc\x00d\u00a0e\x1bf", [("model", "a"), ("system", "bcdef")]),
        ("#FROM a\nFROM b#c", [("model", "b#c")]),
        ('FROM a\nSYSTEM """""x"""', [("model", "a"), ("system", '""x')]),
    ],
)
def test_grammar(text: str, expected: list[tuple[str, str]]) -> None:
    assert pairs(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("SYSTEM x", "no FROM line"),
        ("", "no FROM line"),
        ("# only words", "no FROM line"),
        ("FROM a\nBADCMD x", f"(line 2): {COMMAND_ERROR}"),
        ("FROM a\nBADCMD\nx", f"(line 3): {COMMAND_ERROR}"),
        ("FROM a\r\nBADCMD x", f"(line 3): {COMMAND_ERROR}"),
        ("FROM\nSYSTEM x", f"(line 2): {COMMAND_ERROR}"),
        ("FR_OM a", f"(line 1): {COMMAND_ERROR}"),
        ("MODEL a", f"(line 1): {COMMAND_ERROR}"),
        ("FROM a\nMESSAGE admin x", f"(line 2): {ROLE_ERROR}"),
        ("FROM a\nMESSAGE USER x", f"(line 2): {ROLE_ERROR}"),
        ("FROM a\nMESSAGE user\nx", "unexpected EOF: user"),
        ("FROM a\nMESSAGE user", "unexpected EOF"),
        ('FROM a\nSYSTEM "unterminated', "unexpected EOF"),
        ('FROM a\nTEMPLATE """{{ .Prompt }}', "unexpected EOF"),
        ('FROM a\nTEMPLATE """""', "unexpected EOF"),
        ("FROM a\nPARAMETER num-ctx 1", "unexpected EOF: num"),
        ("FROM a\nPARAMETER num_ctx\n1", "unexpected EOF: num_ctx"),
        ("FROM a\nPARAMETER num_ctx", "unexpected EOF"),
        ("FROM", "unexpected EOF"),
    ],
)
def test_errors(text: str, message: str) -> None:
    with pytest.raises(ModelfileError) as error:
        parse(text)
    assert str(error.value) == message


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_encodings(encoding: str) -> None:
    assert pairs("FROM a\nSYSTEM grüße 🙂\n".encode(encoding)) == [("model", "a"), ("system", "grüße 🙂")]


def test_big_endian() -> None:
    assert pairs(b"\xfe\xff" + "FROM a".encode("utf-16-be")) == [("model", "a")]


def test_bad_bytes_are_replaced() -> None:
    assert pairs(b"FROM a\nSYSTEM b\xffc") == [("model", "a"), ("system", "b\ufffdc")]


def test_a_huge_file_is_refused() -> None:
    with pytest.raises(ModelfileError, match="is it a model file"):
        parse(b"#" * (17 << 20))


def test_many_lines_in_a_quote_take_linear_time() -> None:
    assert parse('FROM a\nSYSTEM """' + "x\n" * 100_000 + '"""').last("system").count("\n") == 100_000


def test_accessors() -> None:
    modelfile = parse("FROM a\nFROM b\nSYSTEM x\nSYSTEM y\nMESSAGE user a: b\nREQUIRES v0.14.0")
    assert modelfile.sources == ("a", "b")
    assert modelfile.last("system") == "y"
    assert modelfile.last("template") == ""
    assert modelfile.messages == (("user", "a: b"),)
    assert modelfile.requires == "0.14.0"


def test_requires_must_be_a_version() -> None:
    with pytest.raises(ModelfileError, match="requires must be a valid semver"):
        _ = parse("FROM a\nREQUIRES soon").requires


@given(st.one_of(st.binary(), st.text(), st.text('FROMSYTEA #"\n\r\t_1.').map(lambda text: "FROM a\n" + text)))
def test_only_the_named_error_escapes(data: bytes | str) -> None:
    with contextlib.suppress(ModelfileError):
        assert all(isinstance(command, Command) for command in parse(data).commands)


def test_real_modelfiles_parse(shared) -> None:
    files = sorted((shared / "data" / "templates" / "modelfiles").rglob("*.Modelfile"))
    assert files
    for file in files:
        if b"\nPROMPT " in file.read_bytes():  # as TEMPLATE was called before 2023-07
            with pytest.raises(ModelfileError, match="command must be one of"):
                parse(file.read_bytes())
        else:
            assert parse(file.read_bytes()).sources, file
