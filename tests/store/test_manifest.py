"""Manifests and configs: Ollama's bytes, and nothing but StoreError for everybody else's."""

import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hollama.errors import DigestInvalid, StoreError
from hollama.store.manifest import (
    CONFIG_TYPE,
    GGUF,
    MAX_CONFIG,
    MAX_MANIFEST,
    Layer,
    Manifest,
    ModelConfig,
    check_digest,
    decode_config,
    decode_manifest,
    encode_config,
    encode_json,
    encode_manifest,
)

DIGEST = "sha256:" + "ab" * 32
NESTED = b"[" * 100_000
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just(DIGEST),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def test_manifest_bytes_are_ollamas() -> None:
    layer = Layer(GGUF, DIGEST, 7, origin="base:latest")
    assert encode_manifest(Manifest(Layer(CONFIG_TYPE, DIGEST, 5), (layer,))) == (
        b'{"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.v2+json",'
        b'"config":{"mediaType":"application/vnd.docker.container.image.v1+json","digest":"sha256:' + b"ab" * 32 + b'",'
        b'"size":5},"layers":[{"mediaType":"application/vnd.ollama.image.model","digest":"sha256:' + b"ab" * 32 + b'",'
        b'"size":7,"from":"base:latest"}]}\n'
    )


def test_config_bytes_are_ollamas() -> None:
    config = ModelConfig("gguf", "llama", ("llama",), "8.0B", "Q4_K_M", requires="0.14.0")
    assert encode_config(config) == (
        b'{"model_format":"gguf","model_family":"llama","model_families":["llama"],"model_type":"8.0B",'
        b'"file_type":"Q4_K_M","requires":"0.14.0","architecture":"amd64","os":"linux"}\n'
    )
    assert b'"model_families":null' in encode_config(ModelConfig())


def test_json_is_gos() -> None:
    value = {"stop": ["<|im_end|>", "&\u2028"], "temperature": 1.0, "top_p": 0.9, "bad": "\ud800"}
    assert encode_json(value).decode() == (
        '{"stop":["\\u003c|im_end|\\u003e","\\u0026\\u2028"],"temperature":1,"top_p":0.9,"bad":"\ufffd"}\n'
    )


def test_unknown_keys_and_a_missing_config_are_tolerated() -> None:
    data = {"layers": [{"mediaType": "x/y", "digest": DIGEST, "size": 1, "urls": []}], "annotations": {}}
    assert decode_manifest(json.dumps(data).encode()) == Manifest(None, (Layer("x/y", DIGEST, 1),))
    empty = b'{"config":{"mediaType":"","digest":"","size":0},"layers":null}'
    assert decode_manifest(empty) == Manifest(None, ())
    assert decode_config(b'{"rootfs":{"type":"layers"},"model_families":null}') == ModelConfig()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b"[]",
        b"\xff",
        NESTED,
        b'{"layers":{}}',
        b'{"layers":[1]}',
        b'{"config":[1]}',
        b'{"config":{"digest":5}}',
        b'{"layers":[{"digest":"sha256:../../../etc/passwd"}]}',
        b'{"layers":[{"digest":""}]}',
        b'{"layers":[{"digest":"' + DIGEST.encode() + b'","size":-1}]}',
        b'{"layers":[{"digest":"' + DIGEST.encode() + b'","size":NaN}]}',
        b'{"layers":[{"digest":"' + DIGEST.encode() + b'","size":1' + b"0" * 5000 + b"}]}",
        b" " * (MAX_MANIFEST + 1),
    ],
)
def test_manifest_lies(data: bytes) -> None:
    with pytest.raises(StoreError):
        decode_manifest(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b"7",
        NESTED,
        b'{"model_format":5}',
        b'{"model_families":"llama"}',
        b'{"model_families":[1]}',
        b'{"context_length":"big"}',
        b'{"context_length":-1}',
        b'{"draft":[]}',
        b" " * (MAX_CONFIG + 1),
    ],
)
def test_config_lies(data: bytes) -> None:
    with pytest.raises(StoreError):
        decode_config(data)


@pytest.mark.parametrize(
    "text", ["", "sha256:", "sha256:../x", "md5:" + "a" * 64, DIGEST + "0", DIGEST + "\n", "SHA256" + DIGEST[6:]]
)
def test_digest_lies(text: str) -> None:
    with pytest.raises(DigestInvalid, match=r"^invalid digest format$"):
        check_digest(text)


def test_digest_may_have_a_dash() -> None:
    assert check_digest(DIGEST.replace(":", "-")) == DIGEST


@settings(deadline=None)  # time says nothing on a busy machine
@given(JSON | st.fixed_dictionaries({"config": JSON, "layers": st.lists(JSON)}))
def test_any_json_is_a_manifest_or_a_store_error(value: object) -> None:
    for decode in (decode_manifest, decode_config):
        try:
            decode(json.dumps(value).encode())
        except StoreError:
            continue


@settings(deadline=None)  # time says nothing on a busy machine
@given(st.binary(max_size=64), st.integers(0, 500), st.integers(0, 255))
@example(b"", 0, 0)
def test_damaged_bytes_are_a_manifest_or_a_store_error(junk: bytes, at: int, byte: int) -> None:
    data = bytearray(encode_manifest(Manifest(Layer(CONFIG_TYPE, DIGEST, 5), (Layer(GGUF, DIGEST, 7, "a", "b"),))))
    data[at % len(data)] = byte
    for damaged in (bytes(data), bytes(data[:at]), bytes(data) + junk, junk):
        try:
            decode_manifest(damaged)
        except StoreError:
            continue


LAYERS = st.builds(Layer, st.text(max_size=9), st.just(DIGEST), st.integers(0, 2**63 - 1), st.text(max_size=9))
TEXT = st.text(max_size=9)


@settings(deadline=None)  # time says nothing on a busy machine
@given(st.lists(LAYERS, max_size=4))
def test_manifest_round_trip(layers: list[Layer]) -> None:
    manifest = Manifest(Layer(CONFIG_TYPE, DIGEST, 5), tuple(layers))
    assert decode_manifest(encode_manifest(manifest)) == manifest


@settings(deadline=None)  # time says nothing on a busy machine
@given(st.builds(ModelConfig, TEXT, TEXT, st.lists(TEXT).map(tuple), TEXT, TEXT, context_length=st.integers(0, 2**40)))
def test_config_round_trip(config: ModelConfig) -> None:
    assert decode_config(encode_config(config)) == config
