"""Finds plugins, runs their hooks once and keeps who provided what. Does not know what a contribution does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType
from typing import Any, Generic, Protocol, TypeVar

import pluggy

from hollama import hookspecs
from hollama.errors import PluginError
from hollama.interfaces import AdapterSpec, BackendSpec, CallFormatSpec, SamplerSpec, TokenizerSpec

GROUP = "hollama"


class Named(Protocol):
    @property
    def name(self) -> str: ...


Spec = TypeVar("Spec", bound=Named)


@dataclass(frozen=True)
class Contribution(Generic[Spec]):
    """A spec and the plugin it came from."""

    spec: Spec
    owner: str  # "name (distribution version)"


@dataclass(frozen=True)
class Plugins:
    """All contributions by kind and name. The field names are the hooks' names without their prefix."""

    samplers: Mapping[str, Contribution[SamplerSpec]]
    tokenizers: Mapping[str, Contribution[TokenizerSpec]]
    call_formats: Mapping[str, Contribution[CallFormatSpec]]
    adapters: Mapping[str, Contribution[AdapterSpec]]
    backends: Mapping[str, Contribution[BackendSpec]]

    def __iter__(self) -> Iterator[tuple[str, Mapping[str, Contribution[Any]]]]:
        for field in fields(self):
            yield field.name, getattr(self, field.name)

    def tokenizer(self, name: str) -> TokenizerSpec:
        return _pick(self.tokenizers, "tokenizer", name).spec

    def backend(self, name: str) -> BackendSpec:
        return _pick(self.backends, "backend", name).spec


def load_plugins(extra: Iterable[tuple[str, object]] = ()) -> Plugins:
    """Load every installed plugin, and `extra` pairs of owner and module.

    Raises PluginError for a plugin that cannot be imported, a misspelt hook, or a name that two plugins provide.
    """
    manager = pluggy.PluginManager("hollama")
    manager.add_hookspecs(hookspecs)
    for point in sorted(entry_points(group=GROUP), key=lambda point: (point.name, point.value)):
        _register(manager, _import(point), _owner(point))
    for owner, module in extra:
        _register(manager, module, owner)
    try:
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        known = ", ".join(f"hollama_{field.name}" for field in fields(Plugins))
        raise PluginError(f"{error}; the hooks are {known}") from error
    return Plugins(**{field.name: _collect(manager, field.name) for field in fields(Plugins)})


def _import(point: EntryPoint) -> object:
    try:
        return point.load()
    except Exception as error:
        raise PluginError(f'plugin "{_owner(point)}" cannot be imported: {error!r}; repair or uninstall it') from error


def _owner(point: EntryPoint) -> str:
    return f"{point.name} ({point.dist.name} {point.dist.version})" if point.dist else point.name


def _register(manager: pluggy.PluginManager, module: object, owner: str) -> None:
    try:
        manager.register(module, name=owner)
    except (ValueError, pluggy.PluginValidationError) as error:
        raise PluginError(f'plugin "{owner}" cannot be registered: {error}') from error


def _collect(manager: pluggy.PluginManager, kind: str) -> Mapping[str, Contribution[Any]]:
    """Call the hook of each plugin by itself: only so is the owner of every contribution known."""
    found: dict[str, Contribution[Any]] = {}
    for implementation in getattr(manager.hook, f"hollama_{kind}").get_hookimpls():
        owner = str(implementation.plugin_name)
        for spec in _contributions(implementation, owner):
            if spec.name in found:
                raise PluginError(
                    f'two plugins provide the {kind[:-1]} "{spec.name}": {found[spec.name].owner} and {owner}; '
                    "uninstall one of them"
                )
            found[spec.name] = Contribution(spec, owner)
    return MappingProxyType(dict(sorted(found.items())))


def _contributions(implementation: pluggy.HookImpl, owner: str) -> list[Named]:
    try:
        found: Any = implementation.function()
        return list(found or ())
    except Exception as error:
        raise PluginError(f'plugin "{owner}" failed in {implementation.function.__name__}: {error!r}') from error


def _pick(found: Mapping[str, Contribution[Spec]], kind: str, name: str) -> Contribution[Spec]:
    if name not in found:
        raise PluginError(f'no plugin provides the {kind} "{name}"; there are: {", ".join(found) or "none"}')
    return found[name]
