"""Names: the grammar, its vectors, and that no name leaves the folder of manifests."""

from pathlib import PurePosixPath

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hollama.errors import NameInvalid
from hollama.store.names import ModelName, resolve

VALID = {
    "m": "registry.ollama.ai/library/m:latest",
    "u/m:1": "registry.ollama.ai/u/m:1",
    "host:5000/u/m:t": "host:5000/u/m:t",
    "hf.co/bartowski/Llama-3.2-1B-Instruct-GGUF:Q4_K_M": "hf.co/bartowski/Llama-3.2-1B-Instruct-GGUF:Q4_K_M",
    "http://h/n/m:t": "h/n/m:t",
    "_m:_t": "registry.ollama.ai/library/_m:_t",
    "m.v1-x": "registry.ollama.ai/library/m.v1-x:latest",
}
INVALID = [
    "",
    ":t",
    "m:",
    "-m",
    "m m",
    "a.b/m",
    "m" * 81,
    "../m",
    "/m",
    "h//m",
    "a/b/c/d",
    "m:t@sha256:0",
    "..",
    "m/..",
    "m:..",
    "h/n/..:t",
    "m\n",
    "m:t\n",
    "m\0",
    "ü",
    "m:" + "t" * 81,
    "h" * 351 + "/n/m",
    "C:\\m",
    "m\\n",
    "://m",
]
PARTS = st.text(st.sampled_from("aA0_.-:/\\~\0\n ué!%"), max_size=12)


@pytest.mark.parametrize("text", VALID)
def test_vector(text: str) -> None:
    assert ModelName.parse(text).full == VALID[text]


@pytest.mark.parametrize("text", INVALID)
def test_invalid(text: str) -> None:
    with pytest.raises(NameInvalid, match=r"^invalid model name$"):
        ModelName.parse(text)


def test_scheme_is_kept_but_does_not_tell_names_apart() -> None:
    name = ModelName.parse("http://h/n/m:t")
    assert name.scheme == "http"
    assert name == ModelName.parse("h/n/m:t")


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("m", "m:latest"),
        ("LIBRARY/m", "m:latest"),
        ("Registry.Ollama.AI/library/m:1", "m:1"),
        ("u/m", "u/m:latest"),
        ("h/library/m", "h/library/m:latest"),
    ],
)
def test_short(text: str, short: str) -> None:
    assert ModelName.parse(text).short == short


@settings(deadline=None)  # time says nothing on a busy machine
@given(st.one_of(st.text(max_size=40), PARTS, st.lists(PARTS, max_size=5).map("/".join)))
@example("a/b/c:..")
@example("http://../n/m")
def test_no_name_leaves_the_folder(text: str) -> None:
    try:
        name = ModelName.parse(text)
    except NameInvalid:
        return
    path = name.path
    assert len(path.parts) == 4
    assert not path.is_absolute()
    assert not {"", ".", ".."} & set(path.parts)
    assert all(char.isascii() and char.isprintable() and char not in "/\\ " for part in path.parts for char in part)


@settings(deadline=None)  # time says nothing on a busy machine
@given(st.one_of(st.text(max_size=40), PARTS))
def test_display_parses_back(text: str) -> None:
    try:
        name = ModelName.parse(text)
    except NameInvalid:
        return
    assert ModelName.parse(name.full) == name
    assert ModelName.parse(name.short).full.lower() == name.full.lower()
    assert ModelName.from_path(name.path) == name


@pytest.mark.parametrize("path", ["a/b/c", "a/b/c/d/e", "a/b.c/d/e", "a/b/c/.d"])
def test_path_without_name(path: str) -> None:
    with pytest.raises(NameInvalid):
        ModelName.from_path(PurePosixPath(path))


def test_case_is_ignored_unless_it_decides() -> None:
    installed = [ModelName.parse(text) for text in ("Llama:Latest", "u/m:a", "u/M:a")]
    assert resolve(ModelName.parse("llama"), installed).short == "Llama:Latest"
    assert resolve(ModelName.parse("U/M:A"), installed).short == "u/M:a"
    assert resolve(ModelName.parse("u/m:a"), installed).short == "u/m:a"


def test_parts_of_a_new_name_take_the_installed_spelling() -> None:
    installed = [ModelName.parse("Anna/Chat:v1")]
    assert resolve(ModelName.parse("anna/chat:v2"), installed).short == "Anna/Chat:v2"
    assert resolve(ModelName.parse("bob/talk:V1"), installed).short == "bob/talk:v1"
