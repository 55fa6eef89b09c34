"""From an installed model to a running one: compile if need be, open, check, start an engine. Knows no keep-alive.

Compiling is done before a model queues for its load, so that an hour of compiling holds up nobody else.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from hollama.config import Settings
from hollama.engine import Engine
from hollama.errors import BackendError, FormatError, RequestError, StoreError
from hollama.formats.hef import Hef
from hollama.formats.package import PackageInfo, read_info, read_tokenizer
from hollama.interfaces import CallFormatSpec, LoadedModel, Tokenizer, Vocabulary
from hollama.plugins import Plugins
from hollama.runtime.compile import Compiler
from hollama.runtime.residency import Loaded, Wish
from hollama.runtime.vocabulary import TokenizerVocabulary
from hollama.store.intake import adapter_files
from hollama.store.model import StoredModel
from hollama.store.store import Store

log = logging.getLogger(__name__)

SMALLEST_CONTEXT = 4  # tokens, as in Ollama


@dataclass(frozen=True)
class Running:
    """A model that answers."""

    info: PackageInfo
    tokenizer: Tokenizer
    vocabulary: Vocabulary
    engine: Engine
    device: LoadedModel
    formats: Mapping[str, CallFormatSpec]  # of calls of tools


class ModelLoader:
    """Loads installed models on the backend that the settings choose."""

    def __init__(self, settings: Settings, plugins: Plugins, store: Store, compiler: Compiler) -> None:
        self._settings = settings
        self._plugins = plugins
        self._store = store
        self._compiler = compiler
        self._compiling: dict[Path, asyncio.Task[None]] = {}

    async def compiled(self, model: StoredModel) -> Path:
        """The model's package; compiled now if it was not yet. All who ask meanwhile share one compilation.

        Raises StoreError for a model without weights, CompileError. Cancelled, it leaves the compilation running.
        """
        if path := await asyncio.to_thread(self._store.package, model):
            return path
        if model.format == "hef":
            raise StoreError(f'the package of "{model.name}" is missing from the store; create or pull it again')
        target = self._store.derived_path(model)
        if target not in self._compiling:
            task = asyncio.ensure_future(self._compile(model, target))
            self._compiling[target] = task
            task.add_done_callback(lambda task: self._compiled(target, task))
        await asyncio.shield(self._compiling[target])
        return target

    async def _compile(self, model: StoredModel, target: Path) -> None:
        with adapter_files(self._store, model.layers) as adapters:
            await self._compiler(model.model_path, target, self._log_progress, adapters)

    async def load(self, wish: Wish[StoredModel]) -> Loaded[Running]:
        """Raises HefError, BackendError, PluginError; BackendError too after `settings.load_timeout` seconds.

        A damaged package of which the store has the source is compiled anew.
        """
        path = await self.compiled(wish.source)
        try:
            return await self._load(path, wish)
        except FormatError as error:
            if wish.source.format == "hef":
                raise
            log.warning("the package of %s is compiled anew: %s", wish.source.name, error)
            await asyncio.to_thread(path.unlink, missing_ok=True)
        return await self._load(await self.compiled(wish.source), wish)

    async def _load(self, path: Path, wish: Wish[StoredModel]) -> Loaded[Running]:
        opening = asyncio.ensure_future(asyncio.to_thread(self._open, path, wish))
        try:
            limit = self._settings.load_timeout
            done, _ = await asyncio.wait({opening}, timeout=None if math.isinf(limit) else limit)
        except asyncio.CancelledError:
            opening.add_done_callback(_discard)
            raise
        if not done:
            opening.add_done_callback(_discard)
            raise BackendError(f'timed out waiting for "{wish.source.name}" to load; raise OLLAMA_LOAD_TIMEOUT')
        return opening.result()

    async def close(self, model: Running) -> None:
        await asyncio.to_thread(model.engine.close)

    def alive(self, model: Running) -> bool:
        return model.engine.alive

    async def stop(self) -> None:
        """Stop compiling."""
        tasks = list(self._compiling.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _open(self, path: Path, wish: Wish[StoredModel]) -> Loaded[Running]:
        backend = self._plugins.backend(self._settings.backend)
        with Hef.open(path) as hef, ThreadPoolExecutor(1) as aside:
            info = read_info(hef)
            context = min(wish.context or info.context, info.context)
            loading = aside.submit(backend.load, path, context)  # waits for the disk, while the tokenizer takes the CPU
            try:
                tokenizer = self._plugins.tokenizer(info.tokenizer).open(read_tokenizer(hef))
                device = loading.result()
                _check_adapters(wish.source, device)
            except Exception:
                _close(loading)
                raise
        formats = {name: contribution.spec for name, contribution in self._plugins.call_formats.items()}
        samplers = [contribution.spec for contribution in self._plugins.samplers.values()]
        context = min(context, device.limits.context)
        engine = Engine(device, samplers, parallel=self._settings.num_parallel, context=context)
        vocabulary = TokenizerVocabulary(tokenizer, device.vocab_size, frozenset(info.eos_token_ids))
        return Loaded(Running(info, tokenizer, vocabulary, engine, device, formats), context, info.context)

    def _compiled(self, target: Path, task: asyncio.Task[None]) -> None:
        del self._compiling[target]
        if not task.cancelled() and (error := task.exception()):
            log.error("compiling %s: %s", target.name, error)

    def _log_progress(self, status: str, completed: int, total: int) -> None:
        log.info("%s %d/%d", status, completed, total)


def _check_adapters(model: StoredModel, device: LoadedModel) -> None:
    if model.adapter and model.adapter not in device.limits.adapters:
        raise RequestError(
            f'model "{model.name}" has an adapter, {model.adapter}, that its package was compiled without; '
            "create the model again"
        )


def _close(loading: Future[LoadedModel]) -> None:
    """Close a device that is of no use, once it is there."""
    if not loading.exception():
        loading.result().close()


def _discard(opening: asyncio.Task[Loaded[Running]]) -> None:
    """Close a model that nobody waits for any more; its engine ends by itself."""
    if not opening.cancelled() and not opening.exception():
        asyncio.get_running_loop().run_in_executor(None, opening.result().model.engine.close)
