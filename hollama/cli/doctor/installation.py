"""Plugins, backends and the settings of the environment: do they fit together?"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import fields
from math import isfinite

from hollama.cli.doctor.finding import Finding
from hollama.config import Address, Settings
from hollama.duration import format_duration
from hollama.errors import PluginError
from hollama.interfaces import BackendSpec
from hollama.plugins import Plugins, load_plugins

_ZERO = {"CONTEXT_LENGTH": "0, as many tokens as each package was compiled for"}


def plugin_findings(settings: Settings) -> Iterator[Finding]:
    try:
        plugins = load_plugins()
    except PluginError as error:
        yield Finding("Plugins", "fail", str(error))
        return
    counts = ", ".join(f"{len(found)} {kind.replace('_', ' ')}" for kind, found in plugins)
    yield Finding("Plugins", "ok", f"{counts} (`hollama plugins` lists them)")
    yield from backend_findings(plugins, settings.backend)


def backend_findings(plugins: Plugins, chosen: str) -> Iterator[Finding]:
    """Every backend's word about its device; only the chosen one can fail."""
    for name, contribution in plugins.backends.items():
        mark = " (in use)" if name == chosen else ""
        yield _probed(f"Backend {name}{mark}", contribution.spec, name == chosen)
    if chosen not in plugins.backends:
        names = ", ".join(plugins.backends) or "none"
        yield Finding(f"Backend {chosen}", "fail", "no plugin provides it", f"set HOLLAMA_BACKEND to one of: {names}")


def _probed(subject: str, spec: BackendSpec, chosen: bool) -> Finding:
    try:
        state = spec.probe()
    except Exception as error:  # a plugin's bug must not hide what the other checks find
        return Finding(
            subject, "fail" if chosen else "warn", f"its probe failed: {error!r}", "tell the plugin's author"
        )
    if state.available:
        return Finding(subject, "ok", state.detail)
    wrong = next((name for name in spec.variables if name in state.detail), "")
    advice = (f"correct {wrong}, or unset it" if wrong else "choose another with HOLLAMA_BACKEND") if chosen else ""
    return Finding(subject, "fail" if chosen else "ok", f"not available: {state.detail}", advice)


def backend_variables(chosen: str) -> Mapping[str, str]:
    """What the chosen backend reads of the environment; nothing where there is none, which is told elsewhere."""
    try:
        return load_plugins().backend(chosen).variables
    except PluginError:
        return {}


def setting_findings(
    settings: Settings, environment: Mapping[str, str], variables: Mapping[str, str]
) -> Iterator[Finding]:
    """Every setting in force and the backend's `variables`, where each comes from, and what looks misspelt."""
    names = [field.name.upper() for field in fields(settings)]
    for name in names:
        value = getattr(settings, name.lower())
        told, origin = (_ZERO.get(name) if value == 0 else None) or _text(value), source(name, environment)
        wrong = type(value) is int and not _is_number(environment.get(origin.removeprefix("from "), "0"))
        advice = f"{origin.removeprefix('from ')} is no number, so the default counts; correct or unset it"
        yield Finding(f"Setting {name}", "warn" if wrong else "ok", f"{told} ({origin})", advice if wrong else "")
    for variable, meaning in variables.items():
        value = environment.get(variable, "").strip()
        told = f"{value} (from {variable})" if value else f"not set ({meaning})"
        yield Finding(f"Setting {variable.removeprefix('HOLLAMA_')}", "ok", told)
    names += [variable.removeprefix("HOLLAMA_") for variable in variables]
    for variable in environment:
        near = _misspelt(variable, names)
        if near:
            yield Finding(f"Setting {variable}", "warn", "no such setting", f"did you mean {near}?")


def _is_number(text: str) -> bool:
    return text.strip().strip("\"'").strip().isdecimal()


def source(name: str, environment: Mapping[str, str]) -> str:
    """Which variable a setting was taken from; `HOLLAMA_X` wins over `OLLAMA_X`."""
    for variable in (f"HOLLAMA_{name}", f"OLLAMA_{name}"):
        if environment.get(variable):
            return f"from {variable}"
    return "default"


def _misspelt(variable: str, names: list[str]) -> str:
    prefix, found, name = variable.partition("OLLAMA_")
    if not found or prefix not in ("", "H") or name in names:
        return ""
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.75)
    return f"{prefix}OLLAMA_{near[0]}" if near else ""


def _text(value: object) -> str:
    if isinstance(value, Address):
        return value.url
    if isinstance(value, tuple):
        return f"{len(value)} of them"
    if isinstance(value, float):  # seconds
        return format_duration(int(value * 1e9)) if isfinite(value) else "for ever"
    return "none" if value == "" else str(value)
