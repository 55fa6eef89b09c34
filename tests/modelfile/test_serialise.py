"""Serialised Modelfiles parse to what they were made from."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hollama.modelfile import Command, Modelfile, parse, quote, serialise


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("plain # text", "plain # text"),
        ("two\nlines", '"two\nlines"'),
        (" leading", '" leading"'),
        ('two\n"lines"', '"""two\n"lines""""'),
        ('say "hi"', 'say "hi"'),
        ('"quoted"', '""quoted""'),
        ("\ttabbed", '"\ttabbed"'),
    ],
)
def test_quote(text: str, quoted: str) -> None:
    assert quote(text) == quoted
    assert parse(f"FROM {quoted}").sources == (text,)


def test_an_adapters_name_is_no_adapters_file() -> None:
    text = "FROM a.hef\nADAPTER ./lora\nPARAMETER adapter poet\n"
    modelfile = parse(text)
    assert (modelfile.all("adapter"), modelfile.parameters) == (("./lora",), ("adapter",))
    assert modelfile.typed_parameters() == {"adapter": "poet"}
    assert serialise(modelfile) == text


def test_every_command_comes_back() -> None:
    text = (
        "FROM a\nADAPTER b\nDRAFT c\nTEMPLATE {{ .Prompt }}\nSYSTEM s\nRENDERER r\nPARSER p\n"
        "PARAMETER stop x\nLICENSE MIT\nMESSAGE user hi\nREQUIRES 0.1.0\n"
    )
    assert serialise(parse(text)) == text


# A line that ends in a quote closes a quoted value, so the grammar cannot say such text over several lines.
values = (
    st.text(st.characters(codec="utf-8"))
    .filter(lambda text: '"\n' not in text and '"\r' not in text)
    .map(lambda text: "".join(rune for rune in text if rune.isprintable() or rune in "\t\r\n"))
    .filter(lambda text: not any(line.rstrip().endswith('"') for line in text.splitlines()))
)
commands = st.one_of(
    st.builds(Command, st.sampled_from(["license", "template", "system", "adapter", "stop", "renderer"]), values),
    st.builds(Command, st.just("message"), st.builds("{}: {}".format, st.sampled_from(["system", "user"]), values)),
)


@given(st.lists(commands))
def test_round_trip(listed: list[Command]) -> None:
    modelfile = Modelfile((Command("model", "a"), *listed))
    assert parse(serialise(modelfile)) == modelfile


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cf", "Cn", "Co", "Zs", "Zl", "Zp"])))
def test_any_single_line_comes_back(text: str) -> None:
    assert parse(f"FROM {quote(text)}").sources == (text,)


def test_real_modelfiles_come_back(shared) -> None:
    for file in sorted((shared / "data" / "templates" / "modelfiles").rglob("*.Modelfile")):
        if b"\nPROMPT " not in file.read_bytes():
            modelfile = parse(file.read_bytes())
            assert parse(serialise(modelfile)) == modelfile, file
