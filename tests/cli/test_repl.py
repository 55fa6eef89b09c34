"""The interactive mode, line by line, against a real server."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hollama.cli.answer import Display
from hollama.cli.chat import Chat
from hollama.cli.client import Client
from hollama.cli.repl.history import History
from hollama.cli.repl.loop import converse
from hollama.config import parse_host
from tests.house import House

Talk = Callable[..., str]


@pytest.fixture
def chat(house: House) -> Chat:
    return Chat(house.client, "tiny", house.client.post("/api/show", {"model": "tiny"}), Display(sys.stdout))


@pytest.fixture
def talk(chat: Chat, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Talk:
    """Type lines, then Ctrl-D; what was printed, errors after the rest."""

    def typed(*lines: str | type[BaseException]) -> str:
        chat.display = Display(sys.stdout)
        converse(chat, _reader(iter(lines)), History(tmp_path / "history"))
        captured = capsys.readouterr()
        return captured.out + captured.err

    return typed


def _reader(lines: Iterator[str | type[BaseException]]) -> Callable[[], str]:
    def read() -> str:
        line = next(lines, EOFError)
        if isinstance(line, str):
            return line
        raise line

    return read


def test_a_conversation_is_kept(talk: Talk, chat: Chat) -> None:
    talk("hello", '"""two\nlines"""', "   ")
    assert [said["role"] for said in chat.messages] == ["user", "assistant", "user", "assistant"]
    assert chat.messages[2]["content"] == "two\nlines"
    assert chat.messages[1]["content"]


def test_bye_ends_it(talk: Talk, chat: Chat) -> None:
    talk("/bye", "not read any more")
    talk("/exit", "nor this")
    assert chat.messages == []


def test_ctrl_c_at_the_prompt(talk: Talk) -> None:
    assert talk(KeyboardInterrupt) == "\nUse Ctrl + d or /bye to exit.\n\n"


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        ("/set parameter temperature 0.5", "Set parameter 'temperature' to '0.5'"),
        ("/set parameter stop a b", "Set parameter 'stop' to 'a, b'"),
        ("/set parameter seed x", 'Couldn\'t set parameter: "invalid int value [x]"'),
        ("/set parameter nope 1", "Couldn't set parameter: \"unknown parameter 'nope'\""),
        ("/set parameter seed", "/set parameter num_ctx <int>"),
        ("/set system Be brief.", "Set system message."),
        ("/set wordwrap", "Set 'wordwrap' mode."),
        ("/set nowordwrap", "Set 'nowordwrap' mode."),
        ("/set format json", "Set format to 'json' mode."),
        ("/set format xml", "Invalid or missing format. For 'json' mode use '/set format json'"),
        ("/set noformat", "Disabled format."),
        ("/set verbose", "Set 'verbose' mode."),
        ("/set quiet", "Set 'quiet' mode."),
        ("/set think", "Set 'think' mode."),
        ("/set think high", "Set 'think' mode to 'high'."),
        ("/set think", 'warning: model "tiny" does not support thinking output'),
        ("/set think loud", 'error: invalid think value: "loud"'),
        ("/set nothink", "Set 'nothink' mode."),
        ("/set x", "Unknown command '/set x'. Type /? for help"),
        ("/set", "/set parameter ..."),
        ("/show", "/show info"),
        ("/show info", "architecture        qwen2"),
        ("/show license", "MIT"),
        ("/show modelfile", "# FROM tiny:latest"),
        ("/show system", "No system message was specified for this model."),
        ("/show parameters", "Model defined parameters:\n"),
        ("/show x", "Unknown command '/show x'. Type /? for help"),
        ("/load", "Usage:\n  /load <modelname>"),
        ("/load nobody", "Couldn't find model 'nobody'"),
        ("/load tiny", "Loading model 'tiny'"),
        ("/save", "Usage:\n  /save <modelname>"),
        ("/save a/b/c/d", "error: The model name 'a/b/c/d' is invalid"),
        ("/clear", "Cleared session context"),
        ("/list ti", "tiny:latest"),
        ("/?", "/load <model>"),
        ("/help set", "/set nohistory"),
        ("/? shortcuts", "Ctrl + g"),
        ("/frob", "Unknown command '/frob'. Type /? for help"),
    ],
)
def test_commands(line: str, reply: str, talk: Talk) -> None:
    assert reply in talk(line)


def test_parameters_reach_the_model(talk: Talk, chat: Chat) -> None:
    talk("/set parameter num_predict 3", "/set verbose")
    assert "eval count:           3 token(s)" in talk("hello")


def test_parameters_of_the_session_are_shown(talk: Talk) -> None:
    text = talk("/set parameter stop a b", "/show parameters")
    assert 'User defined parameters:\n  stop                           ["a", "b"]' in text
    assert "temperature" in text


def test_a_system_message_replaces_the_one_before_it(talk: Talk, chat: Chat) -> None:
    talk("/set system one", '/set system """two\nlines"""')
    assert chat.messages == [{"role": "system", "content": "two\nlines"}]
    talk("hello", "/clear")
    assert chat.messages == [{"role": "system", "content": "two\nlines"}]
    assert "two\nlines" in talk("/show system")


def test_history_can_be_switched_off(chat: Chat, tmp_path: Path) -> None:
    history = History(tmp_path / "history")
    converse(chat, _reader(iter(["/set nohistory"])), history)
    assert not history.enabled


def test_a_saved_session_can_be_loaded(talk: Talk, chat: Chat, house: House) -> None:
    talk("/set system Be kind.", "/set parameter seed 7", "hello", "/save saved")
    info = house.client.post("/api/show", {"model": "saved"})
    assert info["system"] == "Be kind."
    assert "seed" in info["parameters"] and "num_predict" in info["parameters"]
    assert [said["role"] for said in info["messages"]] == ["user", "assistant"]
    text = talk("/load saved")
    assert (chat.model, chat.messages) == ("saved", [])
    assert "Loading model 'saved'" in text
    assert talk().startswith(">>> hello\n")
    house.out("rm", "saved")


def test_errors_end_nothing(talk: Talk, chat: Chat) -> None:
    text = talk("/set think high", "hello", "/set nothink", "hello again")
    assert 'error: 400 Bad Request: "tiny" does not support thinking; /set nothink undoes it' in text
    assert [said["content"] for said in chat.messages if said["role"] == "user"] == ["hello again"]


def test_a_server_that_is_gone_ends_nothing(talk: Talk, chat: Chat) -> None:
    there = chat.client

    def gone() -> str:
        chat.client = Client(parse_host("127.0.0.1:1"))
        return "hello"

    def back() -> str:
        chat.client = there
        return "hello"

    steps = iter([gone, back])

    def read() -> str:
        step = next(steps, None)
        if step is None:
            raise EOFError
        return step()

    converse(chat, read, History(Path("/nonexistent/history"), enabled=False))
    assert len(chat.messages) == 2


def test_stopping_an_answer_forgets_it(chat: Chat, monkeypatch: pytest.MonkeyPatch, talk: Talk) -> None:
    class Interrupted:
        """A terminal on which Ctrl-C is pressed at the first piece of the answer."""

        def write(self, text: str) -> int:
            raise KeyboardInterrupt

        def flush(self) -> None: ...

        def isatty(self) -> bool:
            return False

    chat.display = Display(Interrupted())  # type: ignore[arg-type]
    with pytest.raises(KeyboardInterrupt):
        chat.ask("hello")
    assert chat.messages == []
