"""The table of errors, row by row: text and status."""

from typing import Any

import pytest

from hollama.errors import DigestInvalid, HollamaError
from hollama.runtime.create_request import CreateRequest
from hollama.store.manifest import GGUF, ModelConfig
from hollama.store.names import ModelName
from hollama.store.store import Store

ABSENT = "sha256:" + "0" * 64
QUANTIZE = "unsupported quantization type Q3_K - supported types are F32, F16, Q4_K_S, Q4_K_M, Q8_0"


@pytest.fixture(autouse=True)
def base(store: Store, model_gguf: bytes) -> None:
    layer = store.add_blob(model_gguf, GGUF)
    store.write_manifest(ModelName.parse("base"), ModelConfig("gguf", "llama"), [layer])


ROWS: list[tuple[dict[str, Any], int, str]] = [
    ({"files": {"../m.gguf": ABSENT}}, 400, "file path must be relative"),
    ({"files": {"/m.gguf": ABSENT}}, 400, "file path must be relative"),
    ({"files": {"a//m.gguf": ABSENT}}, 400, "file path must be relative"),
    ({"files": {"a/./m.gguf": ABSENT}}, 400, "file path must be relative"),
    ({"files": {"": ABSENT}}, 400, "file path must be relative"),
    ({"files": {"m\0.gguf": ABSENT}}, 400, "file path must be relative"),
    ({"from_": "base", "draft_files": {"../d": ABSENT}}, 400, "file path must be relative"),
    ({"files": {"m.gguf": ""}}, 400, "invalid digest format"),
    ({"from_": "base", "draft_files": {"d": ""}}, 400, "invalid digest format"),
    ({"from_": "base", "adapters": {"a": ""}}, 400, "invalid digest format"),
    ({"from_": "base", "draft_quantize": "Q8_0"}, 400, "--draft-quantize requires a DRAFT model"),
    ({"model": "no name", "from_": "base"}, 400, "invalid model name"),
    ({"model": "", "from_": "base"}, 400, "invalid model name"),
    ({"from_": "no name"}, 400, "invalid model name"),
    ({"from_": "absent"}, 500, "pull model manifest: file does not exist"),
    ({"from_": "Base"}, 500, "pull model manifest: file does not exist"),
    ({"from_": "base", "remote_host": "a b"}, 400, "bad remote"),
    ({}, 400, "neither 'from' or 'files' was specified"),
    ({"files": {}}, 400, "unknown type"),
    ({"files": {"readme": "blob"}}, 400, "unknown type"),
    ({"files": {"m.gguf": "blob"}}, 400, "supplied file was not in GGUF format"),
    ({"files": {"m.gguf": "sha256:junk"}}, 400, "invalid digest format"),
    ({"from_": "base", "adapters": {"a.gguf": "lora", "b.gguf": "lora"}}, 400,
     "only one adapter is currently supported"),
    ({"from_": "base", "adapters": {"a": "blob"}}, 400, "unknown type"),
    ({"from_": "far", "remote_host": "h", "draft_files": {"d.gguf": "f16"}}, 400,
     "DRAFT cannot be used with remote models"),
    ({"from_": "base", "info": {"base_name": 5}}, 400, 'info field "base_name" must be a string'),
    ({"from_": "base", "info": {"context_length": "5"}}, 400, 'info field "context_length" must be a number'),
    ({"from_": "base", "info": {"context_length": True}}, 400, 'info field "context_length" must be a number'),
    ({"from_": "base", "info": {"embedding_length": -1}}, 400,
     'info field "embedding_length" must be a non-negative integer'),
    ({"from_": "base", "info": {"embedding_length": 1.5}}, 400,
     'info field "embedding_length" must be a non-negative integer'),
    ({"from_": "base", "quantize": "q3_k"}, 500, QUANTIZE),
    ({"files": {"m.gguf": "q8_0"}, "quantize": "q4_k"}, 500,
     "quantization is only supported for F16, BF16 and F32 models"),
    ({"from_": "base", "draft_files": {"d.gguf": "q8_0"}, "draft_quantize": "q4_k"}, 500,
     "draft quantization requires an unquantized draft model, got Q8_0"),
    ({"from_": "base", "license": 5}, 500, "json: cannot unmarshal number into Go value of type []string"),
    ({"from_": "base", "license": {"a": 1}}, 500, "json: cannot unmarshal object into Go value of type []string"),
    ({"from_": "base", "license": ["a", True]}, 500, "json: cannot unmarshal bool into Go value of type string"),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "status", "text"), ROWS)
async def test_row(
    run: Any, store: Store, upload: Any, make_gguf: Any, fields: dict[str, Any], status: int, text: str
) -> None:
    known = {
        "blob": b"neither",
        "f16": make_gguf(),
        "q8_0": make_gguf("q8_0", general__file_type=7),
        "lora": make_gguf(kind="adapter"),
    }
    for key in fields.keys() & {"files", "adapters", "draft_files"}:
        fields = {**fields, key: {name: upload(known[d]) if d in known else d for name, d in fields[key].items()}}
    with pytest.raises(HollamaError) as caught:
        await run(CreateRequest(**{"model": "m", **fields}))
    assert (caught.value.status, str(caught.value)) == (status, text)
    assert [model.name.model for model in store.models()] == ["base"]


async def test_bad_template(run: Any) -> None:
    with pytest.raises(HollamaError, match=r"^template error: .*if") as caught:
        await run(CreateRequest("m", from_="base", template="{{ if }}"))
    assert caught.value.status == 400


async def test_absent_blob(run: Any, store: Store) -> None:
    path = store.root / "blobs" / ABSENT.replace(":", "-")
    with pytest.raises(HollamaError) as caught:
        await run(CreateRequest("m", files={"m.gguf": ABSENT}))
    assert (caught.value.status, str(caught.value)) == (500, f"open {path}: no such file or directory")


async def test_split_gguf_says_what_to_do(run: Any, upload: Any, make_gguf: Any) -> None:
    shard = make_gguf(split__count=2, split__no=0)
    with pytest.raises(HollamaError, match="merge its shards with") as caught:
        await run(CreateRequest("m", files={"m-00001-of-00002.gguf": upload(shard)}))
    assert caught.value.status == 400


async def test_two_models_at_once(run: Any, upload: Any, make_gguf: Any) -> None:
    files = {name: upload(make_gguf(architecture=name[0])) for name in ("a.gguf", "b.gguf")}
    with pytest.raises(HollamaError, match="2 of the GGUF files are models, exactly one was expected"):
        await run(CreateRequest("m", files=files))


async def test_model_as_adapter(run: Any, upload: Any, model_gguf: bytes) -> None:
    with pytest.raises(HollamaError, match='of the type "model", expected "adapter"'):
        await run(CreateRequest("m", from_="base", adapters={"a.gguf": upload(model_gguf)}))


async def test_files_that_collide(run: Any, upload: Any) -> None:
    files = {"a": upload(b"x"), "a/model.safetensors": upload(b"y")}
    with pytest.raises(HollamaError, match="cannot be laid out"):
        await run(CreateRequest("m", files=files))


async def test_bad_digest_in_adapters(run: Any) -> None:
    with pytest.raises(DigestInvalid):
        await run(CreateRequest("m", from_="base", adapters={"a.gguf": "sha256:../x"}))
