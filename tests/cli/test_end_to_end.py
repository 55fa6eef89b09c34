"""Commands as a user runs them: processes, a server that starts by itself, the null backend."""

import http.server
import json
import math
import re
import signal
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

import pytest

from tests.checkpoints import random_checkpoint
from tests.house import House, end, free_address, started_pid, until
from tests.loras import random_lora
from tests.server.server_desk import write_package


def test_the_server_that_was_started_is_found_again(house: House) -> None:
    assert house.run("run", "tiny", "hi").stderr == ""
    assert "Listening on" in (house.home / ".local/state/hollama/server.log").read_text()


def test_one_answer_ends_with_two_newlines_and_is_the_same_again(house: House) -> None:
    answer = house.out("run", "tiny", "hello", "world")
    assert answer.endswith("\n\n") and len(answer) > 3
    assert house.out("run", "tiny", "hello world") == answer


def test_stdin_goes_before_the_prompt(house: House) -> None:
    assert house.out("run", "tiny", "b", stdin="a") == house.out("run", "tiny", "a b")
    assert house.out("run", "tiny", stdin="a b") == house.out("run", "tiny", "a b")


def test_no_prompt_only_loads(house: House) -> None:
    house.out("stop", "tiny")
    assert house.out("run", "tiny") == ""
    assert "tiny:latest" in house.out("ps")


def test_verbose_tells_what_it_cost(house: House) -> None:
    done = house.run("run", "tiny", "hello", "--verbose")
    assert re.search(r"^total duration: {7}[\d.]+(ms|s)$", done.stderr, re.M)
    assert re.search(r"^eval count: {11}\d+ token\(s\)$", done.stderr, re.M)
    assert re.search(r"^eval rate: {12}[\d.]+ tokens/s$", done.stderr, re.M)


def test_think_takes_no_word_of_the_prompt(house: House) -> None:
    assert house.error("run", "tiny", "--think", "hello").startswith('Error: 400 Bad Request: "tiny" does not support')


def test_an_embedding_model_prints_vectors(house: House) -> None:
    write_package(house.home / "pooled.hef", metadata={"llama.pooling_type": 1})
    (house.home / "Pooled").write_text("FROM ./pooled.hef\n")
    house.out("create", "pooled", "-f", "Pooled")
    whole = json.loads(house.out("run", "pooled", "some", "words"))
    assert math.hypot(*whole) == pytest.approx(1, abs=1e-5)
    assert len(json.loads(house.out("run", "pooled", "--dimensions", "3", "--truncate", stdin="some words"))) == 3
    assert "exceeds the context length" in house.error("run", "pooled", "--truncate=false", "words " * 500)
    usage = 'Error: embedding models require input text. Usage: hollama run pooled "your text here"\n'
    assert house.error("run", "pooled") == usage
    cost = house.run("run", "pooled", "x", "--verbose").stderr
    assert re.search(r"^prompt eval count: {4}2 token\(s\)$", cost, re.M)
    house.out("rm", "pooled")


def test_an_unknown_model(house: House) -> None:
    assert house.error("run", "nobody", "hi").startswith("Error: model 'nobody:latest' not found; `hollama list` shows")


def test_a_prompt_without_a_model_is_explained(house: House) -> None:
    assert 'the first word is the model: hollama run MODEL "Why is' in house.error("run", "Why is the sky blue?")


def test_list(house: House) -> None:
    header, *rows = house.out("list", "TI").splitlines()
    assert header.split() == ["NAME", "ID", "SIZE", "MODIFIED"]
    assert re.fullmatch(r"tiny:latest {4}[0-9a-f]{12} {4}\d+ KB {4}.* ago {4}", rows[0].rstrip() + "    ")
    assert len(house.out("list", "nobody").splitlines()) == 1


def test_ps_and_stop(house: House) -> None:
    house.out("run", "tiny", "--keepalive", "10m")
    header, row = house.out("ps").splitlines()
    assert header.split() == ["NAME", "ID", "SIZE", "PROCESSOR", "CONTEXT", "UNTIL"]
    assert row.startswith("tiny:latest ") and "9 minutes from now" in row
    house.out("stop", "tiny")
    until(lambda: len(house.out("ps").splitlines()) == 1)
    assert house.error("stop", "nobody") == 'Error: couldn\'t find model "nobody" to stop\n'


def test_show(house: House) -> None:
    text = house.out("show", "tiny")
    assert re.search(r"^    architecture +qwen2 +$", text, re.M)
    assert re.search(r"^    temperature +0 +$", text, re.M)
    assert house.out("show", "tiny", "--license") == "MIT\n"
    assert "# FROM tiny:latest" in house.out("show", "--modelfile", "tiny")
    assert house.error("show", "nobody") == "Error: model 'nobody:latest' not found\n"


def test_cp_and_rm(house: House) -> None:
    assert house.out("cp", "tiny", "copy") == "copied 'tiny' to 'copy'\n"
    assert house.out("run", "copy", "hi") == house.out("run", "tiny", "hi")
    done = house.run("rm", "copy", "nobody", "tiny")
    assert (done.returncode, done.stdout) == (1, "deleted 'copy'\n")
    assert done.stderr == "Error: model 'nobody' not found\n"
    assert "tiny" in house.out("list")


def test_create_says_what_happens_in_plain_lines(house: House) -> None:
    (house.home / "Variant").write_text("FROM tiny\nSYSTEM Be brief.\n")
    done = house.run("create", "variant", "-f", "Variant")
    assert "\x1b" not in done.stderr
    assert done.stderr.splitlines()[-1] == "success"
    assert house.out("show", "variant", "--system") == "Be brief."
    house.out("rm", "variant")


def test_create_with_what_is_not_there(house: House) -> None:
    (house.home / "Broken").write_text("FROM ./gone.gguf\n")
    assert house.error("create", "broken", "-f", "Broken").startswith("Error: FROM ./gone.gguf: there is no /")
    assert house.error("create", "broken", "-f", "NoSuchFile").startswith("Error: no Modelfile at NoSuchFile")
    (house.home / "Broken").write_text("FORM tiny\n")
    assert house.error("create", "broken", "-f", "Broken").startswith("Error: (line 1): command must be one of")


def test_version(house: House) -> None:
    first, second = house.out("--version").splitlines()
    assert re.fullmatch(r"ollama version is \d+\.\d+\.\d+", first)
    assert second.startswith("hollama version is ")


def test_doctor_finds_the_server(house: House) -> None:
    assert re.search(r"^ok    Server: answers at http://127\.0\.0\.1:\d+, version ", house.out("doctor"), re.M)


def test_a_reader_that_leaves_is_no_error(house: House) -> None:
    command = [sys.executable, "-m", "hollama", "run", "tiny", "hi"]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=house.environment
    ) as process:
        assert process.stdout and process.stderr
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(20) == 141


def test_ctrl_c_hangs_up_and_the_server_stops_generating(house: House, endless: str) -> None:
    assert _interrupted(house, "run", endless, "hi") == 130
    house.out("stop", endless)  # it goes when nobody is being answered
    until(lambda: endless not in house.out("ps"))


def _interrupted(house: House, *words: str) -> int:
    """The exit status of a command that gets SIGINT once it has begun to answer."""
    command = [sys.executable, "-m", "hollama", *words]
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    # Where the tests run in the background of a shell, SIGINT is ignored, and children inherit that.
    heed = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    with subprocess.Popen(command, **pipes, env=house.environment, preexec_fn=heed) as process:
        assert process.stdout and process.stdout.read(1)
        process.send_signal(signal.SIGINT)
        return process.wait(20)


def test_bench_prints_and_writes_numbers(house: House, package: Path) -> None:
    words = ("bench", str(package), "--prompt-tokens", "8,16", "--generate", "4", "--batch", "1,2", "--repeat", "1")
    assert "loaded in" in house.out(*words, "--json", "speed.json")
    report = json.loads((house.home / "speed.json").read_text())
    assert [(run["prompt_tokens"], run["batch"]) for run in report["runs"]] == [(8, 1), (8, 2), (16, 1), (16, 2)]
    assert all(run["prefill_tps"] > 0 for run in report["runs"])
    assert report["peak_rss_bytes"] > 1 << 20
    assert "prompt and answer take 1063 tokens" in house.error("bench", str(package), "--prompt-tokens", "999")


def test_compile_calibrates_with_a_text_of_the_users(house: House, tmp_path: Path) -> None:
    random_checkpoint(tmp_path / "checkpoint")
    (tmp_path / "texts.txt").write_text("the cat sat on the mat " * 50)
    words = ("compile", str(tmp_path / "checkpoint"), "--context", "64", "--group-size", "32")
    assert re.match(r"wrote builtin\.hef \(.*, context 64\)", house.out(*words, "builtin.hef"))
    house.out(*words, "own.hef", "--calibration", str(tmp_path / "texts.txt"))
    assert (house.home / "own.hef").read_bytes() != (house.home / "builtin.hef").read_bytes()
    (tmp_path / "texts.jsonl").write_text('{"text": "the cat"}\n')
    refused = house.error(*words, "own.hef", "--calibration", str(tmp_path / "texts.jsonl"))
    assert "texts.jsonl is JSON, plain text is wanted" in refused
    assert house.error("compile", "a/b.gguf") == "Error: name the file to write, such as: a/b.gguf -o b.hef\n"


def test_compile_by_stages(house: House, tmp_path: Path) -> None:
    random_lora(tmp_path / "lora", random_checkpoint(tmp_path / "checkpoint"))
    adapter, quick = f"a={tmp_path / 'lora'}", ("--context", "64", "--effort", "quick")
    assert house.out("parse", str(tmp_path / "checkpoint"), "p.har").startswith("wrote p.har (")
    house.out("optimize", "p.har", "-o", "q.har", *quick)
    assert house.out("add-lora", "q.har", adapter, "-o", "q.har").startswith("adapter a: ")
    house.out("compile", "q.har", "-o", "staged.hef")
    house.out("compile", str(tmp_path / "checkpoint"), "whole.hef", "--adapter", adapter, *quick)
    assert (house.home / "staged.hef").read_bytes() == (house.home / "whole.hef").read_bytes()
    refused = house.error("compile", "q.har", "-o", "x.hef", "--context", "32")
    assert refused == "Error: q.har is quantised already; give --context when its checkpoint is\n"
    refused = house.error("compile", "q.har", "-o", "x.hef", "--finetune", "4")
    assert refused == "Error: q.har is quantised already; give --finetune when its checkpoint is\n"
    refused = house.error("compile", "whole.hef", "-o", "x.hef", "--group-size", "32")
    assert refused == "Error: whole.hef is quantised already; give --group-size when its checkpoint is\n"


def test_create_from_what_is_not_there(house: House) -> None:
    (house.home / "Lost").write_text("FROM lost")
    assert "FROM lost is neither a model here" in house.error("create", "mine", "-f", "Lost")


def test_compile_speaks_json_lines(house: House) -> None:
    done = house.run("compile", "nowhere", "x.hef", "--progress", "json")
    assert done.returncode == 1
    assert "nowhere" in json.loads(done.stdout.splitlines()[-1])["error"]


@pytest.fixture
def stranger():
    """A web server that is no Ollama."""

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"It works!")

        def log_message(self, *_: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_a_port_that_something_else_has(tmp_path: Path, stranger: str) -> None:
    message = House(tmp_path, stranger).error("run", "tiny", "hi")
    assert message.startswith(f"Error: http://{stranger} is taken by something that is not Ollama; stop it, or choose")


def test_a_server_that_dies_shows_why(tmp_path: Path) -> None:
    message = House(tmp_path, free_address(), {"HOLLAMA_BACKEND": "abacus"}).error("run", "tiny", "hi")
    assert message.startswith("Error: the server stopped while it started; the end of its log, ")
    assert 'no plugin provides the backend "abacus"' in message


def test_another_machine_gets_no_server(tmp_path: Path) -> None:
    message = House(tmp_path, "no-such-host.invalid:1").error("run", "tiny", "hi")
    assert message.startswith("Error: no server answers at http://no-such-host.invalid:1; start one there")


def test_two_that_start_a_server_at_once_share_one(house: House, tmp_path: Path) -> None:
    both = House(tmp_path, free_address(), {"HOLLAMA_MODELS": str(house.home / ".ollama" / "models")})
    command = [sys.executable, "-m", "hollama", "run", "tiny", "hi"]
    started = [
        subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=both.environment,
        )
        for _ in range(2)
    ]
    outputs = [process.communicate(timeout=60) for process in started]
    pids = [started_pid(messages) for _, messages in outputs if "Started" in messages]
    for pid in pids:
        end(pid)
    assert [process.returncode for process in started] == [0, 0], outputs
    assert outputs[0][0] == outputs[1][0]


def test_serve_on_a_taken_port(house: House) -> None:
    assert re.match(r"Error: listen tcp 127.0.0.1:\d+: bind: address already in use", house.error("serve"))


def test_the_server_ends_in_good_order(tmp_path: Path) -> None:
    house = House(tmp_path, free_address())
    command = [sys.executable, "-m", "hollama", "serve"]
    with subprocess.Popen(command, env=house.environment, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        assert "Listening on 127.0.0.1:" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
