"""What the server's tests stand on: packages that are real HEF files, a backend that says what a test wants."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import aiohttp
import numpy as np
import ollama
from hollama_backends.null import NullModel, hashed, scripted
from hollama_tokenizers import byte

from hollama.errors import BackendError
from hollama.formats.hef import CONFIG, TOKENIZER, WEIGHTS, write_hef
from hollama.formats.package import FORMAT
from hollama.formats.safetensors import safetensors_chunks
from hollama.hookspecs import hookimpl
from hollama.interfaces import BackendSpec, DeviceState, Limits
from hollama.runtime.compile import NONE, Adapters
from hollama.runtime.runtime import Runtime
from hollama.store.store import Store
from hollama.types import OnProgress

CONTEXT = 512
HIDDEN = 24
CHATML = (
    "{{- range .Messages }}<|im_start|>{{ .Role }}\n{{ .Content }}"
    "{{ if .ToolCalls }}<tool_call>{{ range .ToolCalls }}{{ .Function.Name }}{{ end }}</tool_call>{{ end }}<|im_end|>\n"
    "{{ end }}"
    "{{ if .Tools }}{{ end }}<|im_start|>assistant\n"
)
THINKING = (
    "{{ range .Messages }}{{ .Role }}: {{ if .Thinking }}<think>{{ .Thinking }}</think>{{ end }}{{ .Content }}\n"
    "{{ end }}assistant:"
)


def write_package(
    path: Path,
    context: int = CONTEXT,
    chat_template: str = "",
    salt: str = "",
    metadata: Mapping[str, Any] = MappingProxyType({}),
    stops: Sequence[int] = (byte.END, 259),
) -> None:
    own = {
        "format": FORMAT, "architecture": "llama", "quantization": "W4A8KV8", "parameter_count": 1_500_000,
        "tokenizer": "byte", "vocab_size": byte.VOCAB_SIZE, "bos_token_id": None,
        "bos_token": "", "eos_token": "<|im_end|>", "add_bos": "llama.pooling_type" in metadata,
        "options": {"temperature": 0.0, "num_predict": 16},
        "metadata": {
            "general.architecture": "llama", "llama.context_length": context, "general.name": salt, **metadata
        },
    }  # fmt: skip
    config = {
        "hollama": own,
        "chat_template": chat_template,
        "stop_token_id": [*stops],
        "pre_process_params": {"kv_cache_size": context, "prefill_input_tokens_count": 16},
    }
    weights = b"".join(safetensors_chunks({"w": np.zeros((2, 3), np.float32)}))
    resources = {TOKENIZER: b"{}", CONFIG: json.dumps(config).encode(), WEIGHTS: weights}
    write_hef(path, network_groups=(), resources=resources)


@dataclass
class Device:
    """The backend "test": says a script if it has one, noise otherwise; counts loads and may be slow or broken."""

    script: str = ""
    pause: float = 0.0  # seconds for each token
    load_pause: float = 0.0
    broken: str = ""
    loads: list[NullModel] = field(default_factory=list)

    def load(self, path: Path, context: int) -> NullModel:
        time.sleep(self.load_pause)
        if self.broken:
            raise BackendError(self.broken)
        tokens = [*self.script.encode(), byte.END]
        answer = scripted(tokens, byte.VOCAB_SIZE) if self.script else hashed(byte.VOCAB_SIZE)

        def slow(history: Any) -> Any:
            time.sleep(self.pause)
            return answer(history)

        self.loads.append(NullModel(slow, byte.VOCAB_SIZE, Limits(context, 16, 8, hidden=HIDDEN), str(path)))
        return self.loads[-1]

    @hookimpl
    def hollama_backends(self) -> list[BackendSpec]:
        return [BackendSpec("test", self.load, lambda: DeviceState(True, ""))]


class PackageCompiler:
    """Takes any weights for the model of the tests."""

    async def __call__(self, source: Path, target: Path, progress: OnProgress, adapters: Adapters = NONE) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        write_package(target)


@dataclass
class Desk:
    """A running server, ways to talk to it, and what lies under it."""

    url: str
    client: ollama.AsyncClient
    http: aiohttp.ClientSession
    store: Store
    runtime: Runtime
    device: Device

    async def post(self, path: str, body: Any) -> tuple[int, Any]:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        async with self.http.post(self.url + path, data=data) as response:
            return response.status, json.loads(await response.read())


async def until(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    for _ in range(int(seconds / 0.01)):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not happen")
