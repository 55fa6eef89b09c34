"""Which files of a folder are a checkpoint."""

from pathlib import Path

import pytest

from hollama.errors import ModelfileError
from hollama.modelfile import expand_path, source_files


def write(folder: Path, **files: bytes) -> None:
    for name, data in files.items():
        path = folder / name.replace("__", "/").replace("_DOT_", ".")
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)


def names(folder: Path) -> list[str]:
    return [file.relative_to(folder).as_posix() for file in source_files(folder)]


def test_safetensors_come_before_others(tmp_path: Path) -> None:
    write(tmp_path, model_DOT_safetensors=b"\0", x_DOT_gguf=b"GGUF", config_DOT_json=b"{}", tokenizer_DOT_model=b"\0")
    write(tmp_path, sub__config_DOT_json=b"{}", chat_template_DOT_jinja=b"x", README_DOT_md=b"x")
    expected = ["model.safetensors", "config.json", "sub/config.json", "chat_template.jinja", "tokenizer.model"]
    assert names(tmp_path) == expected


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("consolidated.00.safetensors", b"\0"),
        ("pytorch_model-1.bin", b"PK\x03\x04"),
        ("consolidated.pth", b"PK\x03\x04"),
        ("a.gguf", b"GGUF"),
        ("ggml.bin", b"\0"),
    ],
)
def test_each_kind_of_weights(tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / name).write_bytes(data)
    assert names(tmp_path) == [name]


def test_a_file_is_itself(tmp_path: Path) -> None:
    (tmp_path / "x.gguf").write_bytes(b"GGUF")
    assert source_files(tmp_path / "x.gguf") == (tmp_path / "x.gguf",)


def test_nothing_found(tmp_path: Path) -> None:
    with pytest.raises(ModelfileError, match="no Modelfile or safetensors files found"):
        source_files(tmp_path)


@pytest.mark.parametrize(
    ("name", "data", "kind"),
    [
        ("pytorch_model.bin", b"version https://git-lfs", "application/zip"),
        ("model.safetensors", b"version https://git-lfs.github.com/spec/v1\n", "application/octet-stream"),
    ],
)
def test_wrong_content(tmp_path: Path, name: str, data: bytes, kind: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ModelfileError, match=f"invalid content type: expected {kind} for {name}"):
        source_files(tmp_path)


def test_binary_json(tmp_path: Path) -> None:
    write(tmp_path, model_DOT_safetensors=b"\0", config_DOT_json=b"\0\1")
    with pytest.raises(ModelfileError, match=r"expected text/plain for config\.json"):
        source_files(tmp_path)


def test_links_out_of_the_folder_are_refused(tmp_path: Path) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "outside.safetensors"
    inside.mkdir()
    outside.write_bytes(b"\0")
    (inside / "model.safetensors").symlink_to(outside)
    with pytest.raises(ModelfileError, match=r"^insecure path: model\.safetensors$"):
        source_files(inside)


def test_links_of_a_cache_are_explained(tmp_path: Path) -> None:
    folder = tmp_path / ".cache" / "snapshot"
    folder.mkdir(parents=True)
    (tmp_path / ".cache" / "blob").write_bytes(b"\0")
    (folder / "model.safetensors").symlink_to("../blob")
    with pytest.raises(ModelfileError, match="--local-dir"):
        source_files(folder)


def test_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert expand_path("x/y", Path("/base")) == Path("/base/x/y")
    assert expand_path("/x", Path("/base")) == Path("/x")
    assert expand_path("~/x", Path("/base")) == tmp_path / "x"
    with pytest.raises(ModelfileError, match="cannot expand"):
        expand_path("~nobody-of-this-name/x", Path("/base"))
