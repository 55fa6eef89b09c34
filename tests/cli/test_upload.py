"""Modelfiles to create requests."""

import hashlib
import subprocess
from pathlib import Path

import pytest

from hollama.cli.upload import digest, plan, read_modelfile, sources, talk_to
from hollama.errors import ModelfileError
from hollama.modelfile import ADAPTER_OPTION, parse


def test_every_command_has_its_field(tmp_path: Path) -> None:
    modelfile = parse(
        'FROM hollie\nTEMPLATE "{{ .Prompt }}"\nSYSTEM Be brief.\nPARAMETER temperature 0.5\nPARAMETER stop a\n'
        "PARAMETER stop b\nLICENSE MIT\nLICENSE BSD\nMESSAGE user Hi\nMESSAGE assistant Hello\nREQUIRES v0.14.0\n"
    )
    assert plan(modelfile, tmp_path).request == {
        "from": "hollie",
        "template": "{{ .Prompt }}",
        "system": "Be brief.",
        "requires": "0.14.0",
        "license": ["MIT", "BSD"],
        "parameters": {"temperature": 0.5, "stop": ["a", "b"]},
        "messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}],
    }


def test_a_path_becomes_a_file(tmp_path: Path) -> None:
    (tmp_path / "m.gguf").write_bytes(b"GGUF")
    (tmp_path / "a.gguf").write_bytes(b"GGUF")
    creation = plan(parse("FROM ./m.gguf\nADAPTER ./a.gguf"), tmp_path)
    assert creation.request == {}
    assert [source.name for source in creation.files] == ["m.gguf"]
    assert [source.name for source in creation.adapters] == ["a.gguf"]


def test_a_folder_gives_its_checkpoint(tmp_path: Path) -> None:
    for name in ("model.safetensors", "config.json", "tokenizer.json", "README.md"):
        (tmp_path / name).write_bytes(b"{}")
    names = [source.name for source in plan(parse("FROM ."), tmp_path).files]
    assert sorted(names) == ["config.json", "model.safetensors", "tokenizer.json"]


def test_a_folder_without_weights_hides_no_model(tmp_path: Path) -> None:
    (tmp_path / "hollie").mkdir()
    (tmp_path / "hollie" / "README.md").write_text("about hollie")
    assert plan(parse("FROM hollie"), tmp_path).request == {"from": "hollie"}
    with pytest.raises(ModelfileError, match="no Modelfile or safetensors"):
        plan(parse("FROM ./hollie"), tmp_path)
    (tmp_path / "hollie" / "model.safetensors").write_bytes(b"")
    assert [source.name for source in plan(parse("FROM hollie"), tmp_path).files] == ["model.safetensors"]


def test_names_are_relative_to_what_all_files_share(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    files = [tmp_path / "config.json", tmp_path / "sub" / "model.safetensors"]
    assert [source.name for source in sources(files)] == ["config.json", "sub/model.safetensors"]


@pytest.mark.parametrize("value", ["./missing.gguf", "missing.gguf", "/nowhere/model", "~/no/such/model"])
def test_a_path_that_is_not_there_is_not_taken_for_a_name(value: str, tmp_path: Path) -> None:
    with pytest.raises(ModelfileError, match="there is no"):
        plan(parse(f"FROM {value}"), tmp_path)


@pytest.mark.parametrize("weights", ["adapter_model.safetensors", "adapters.safetensors"])
def test_an_adapter_may_be_a_folder(weights: str, tmp_path: Path) -> None:
    (tmp_path / "lora").mkdir()
    for name in (weights, "adapter_config.json"):
        (tmp_path / "lora" / name).write_bytes(b"{}")
    creation = plan(parse("FROM hollie\nADAPTER ./lora"), tmp_path)
    assert sorted(source.name for source in creation.adapters) == sorted(["adapter_config.json", weights])


@pytest.mark.parametrize(("file", "name"), [("a/my model.hef", "my-model"), ("/b/q.hef", "q"), ("ü.hef", "mine")])
def test_how_to_talk_to_a_file(file: str, name: str, tmp_path: Path) -> None:
    first, *then = talk_to(Path(file), "a").split(" && ")
    subprocess.run(first, shell=True, check=True, cwd=tmp_path)
    written = read_modelfile(tmp_path / f"{name}.Modelfile")
    assert written.sources[0] == ("/" if file[0] == "/" else "./") + file.lstrip("/")
    assert written.all(ADAPTER_OPTION) == ("a",)
    assert then == [f"hollama create {name} -f {name}.Modelfile", f"hollama run {name}"]


def test_an_adapter_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ModelfileError, match=r"ADAPTER ./a: there is no"):
        plan(parse("FROM hollie\nADAPTER ./a"), tmp_path)


def test_what_is_wrong_with_an_adapter_is_said_of_its_line(tmp_path: Path) -> None:
    (tmp_path / "lora").mkdir()
    (tmp_path / "lora" / "adapter_model.safetensors").write_bytes(b"")
    (tmp_path / "empty").mkdir()
    for value, wrong in {
        "./lora/adapter_model.safetensors": rf"ADAPTER \S+: name its folder, {tmp_path / 'lora'}",
        "./empty": "ADAPTER ./empty: no .*safetensors",
        "./lora\nADAPTER ./empty": "2 lines are ADAPTER, only one adapter is currently supported",
    }.items():
        with pytest.raises(ModelfileError, match=wrong):
            plan(parse(f"FROM hollie\nADAPTER {value}"), tmp_path)


def test_no_modelfile_means_this_folder(tmp_path: Path) -> None:
    assert read_modelfile(tmp_path / "Modelfile").sources == (".",)
    with pytest.raises(ModelfileError, match="no Modelfile at"):
        read_modelfile(tmp_path / "other")


def test_digest_counts_what_it_reads(tmp_path: Path) -> None:
    data = bytes(3 << 20)
    (tmp_path / "blob").write_bytes(data)
    seen: list[int] = []
    assert digest(tmp_path / "blob", seen.append) == f"sha256:{hashlib.sha256(data).hexdigest()}"
    assert seen == [1 << 20, 2 << 20, 3 << 20]
