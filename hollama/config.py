"""Settings from the environment: `HOLLAMA_X` wins over `OLLAMA_X`. Reads nothing else and knows no room.

The variables are Ollama's (their defaults too), so an existing unit file or container works as it is; what only
hollama has, such as `HOLLAMA_BACKEND`, has no `OLLAMA_` twin.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from hollama.duration import parse_duration
from hollama.errors import ConfigError

DEFAULT_PORT = 11434
_FALSE = {"", "0", "f", "F", "false", "FALSE", "False"}
_SCHEMES = ("app://", "file://", "tauri://", "vscode-webview://", "vscode-file://")
_EXTENSIONS = ("chrome-extension://", "safari-extension://", "moz-extension://", "ms-browser-extension://")


@dataclass(frozen=True)
class Address:
    """Where the server listens, or where its client finds it."""

    scheme: str
    host: str
    port: int
    path: str = ""

    @property
    def url(self) -> str:
        """As a client connects: an address that means "any" becomes the loopback."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(self.host, self.host)
        return f"{self.scheme}://{f'[{host}]' if ':' in host else host}:{self.port}{self.path}"


@dataclass(frozen=True)
class Settings:
    """Everything the environment decides. Times are seconds; an infinite one means for ever."""

    host: Address
    origins: tuple[str, ...]
    models: Path
    keep_alive: float
    load_timeout: float
    num_parallel: int
    max_loaded_models: int
    max_queue: int
    context_length: int  # tokens; 0 for what the package was compiled for
    backend: str
    debug: bool
    log_format: str  # "text" or "json"
    grace: float  # seconds that answers under way have to end when the server stops
    noprune: bool
    nohistory: bool
    editor: str


def load_settings(environment: Mapping[str, str]) -> Settings:
    """Raises ConfigError for an origin or a duration that cannot be understood."""
    get = _Reader(environment)
    return Settings(
        host=parse_host(get.text("HOST")),
        origins=_origins(get.text("ORIGINS")),
        models=Path(get.text("MODELS") or Path.home() / ".ollama" / "models").expanduser(),
        keep_alive=_keep_alive(get.text("KEEP_ALIVE"), 300.0, "KEEP_ALIVE"),
        load_timeout=_positive(_keep_alive(get.text("LOAD_TIMEOUT"), 300.0, "LOAD_TIMEOUT")),
        num_parallel=max(1, get.number("NUM_PARALLEL", 4)),
        max_loaded_models=get.number("MAX_LOADED_MODELS", 0) or 3,
        max_queue=get.number("MAX_QUEUE", 512),
        context_length=get.number("CONTEXT_LENGTH", 0),
        backend=get.text("BACKEND") or "emulator",
        debug=get.boolean("DEBUG"),
        log_format=_log_format(get.text("LOG_FORMAT") or "text"),
        grace=min(_keep_alive(get.text("GRACE"), 10.0, "GRACE"), 86400.0),
        noprune=get.boolean("NOPRUNE"),
        nohistory=get.boolean("NOHISTORY"),
        editor=get.text("EDITOR"),
    )


def parse_host(text: str) -> Address:
    """Ollama's rules for OLLAMA_HOST: scheme, host, port and path may each be missing."""
    scheme, has_scheme, rest = text.partition("://")
    if not has_scheme:
        scheme, rest = "http", text
    port = {"http": 80, "https": 443}.get(scheme, DEFAULT_PORT) if has_scheme else DEFAULT_PORT
    if not has_scheme and text == "ollama.com":
        scheme, port = "https", 443
    authority, slash, path = rest.partition("/")
    host, port = _split_port(authority, port)
    return Address(scheme, host, port, f"/{path.rstrip('/')}" if slash and path.rstrip("/") else "")


def _split_port(authority: str, default: int) -> tuple[str, int]:
    if not authority:
        return "127.0.0.1", default
    if authority.count(":") > 1 and not authority.startswith("["):
        return authority, default  # a bare IPv6 address
    try:
        parts = urlsplit(f"//{authority}")
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return authority.strip("[]").rsplit(":", 1)[0].strip("[]") or "127.0.0.1", default
    if not host and authority.startswith(":"):
        host = "0.0.0.0"
    return host or "127.0.0.1", port if port else default


def _origins(text: str) -> tuple[str, ...]:
    """The configured origins, then Ollama's built-in ones."""
    configured = tuple(origin.strip() for origin in text.split(",") if origin.strip())
    for origin in configured:
        known = origin.startswith(("http://", "https://", *_SCHEMES, *_EXTENSIONS))
        if origin.count("*") > 1 or ("*" not in origin and not known):
            raise ConfigError(
                f'OLLAMA_ORIGINS: "{origin}" is no origin; write a scheme and a host, with at most one "*", '
                "such as https://*.example.com"
            )
    local = [f"{scheme}://{host}" for host in ("localhost", "127.0.0.1", "0.0.0.0") for scheme in ("http", "https")]
    return (*configured, *local, *(f"{origin}:*" for origin in local), *(f"{scheme}*" for scheme in _SCHEMES))


def _keep_alive(text: str, default: float, name: str) -> float:
    if not text:
        return default
    try:
        seconds = float(int(text))
    except ValueError:
        try:
            seconds = parse_duration(text)
        except ValueError as error:
            hint = 'write a duration such as "10m" or a number of seconds'
            raise ConfigError(f"OLLAMA_{name}: {error}; {hint}") from None
    return math.inf if seconds < 0 else seconds


def _log_format(text: str) -> str:
    if text not in ("text", "json"):
        raise ConfigError(f'HOLLAMA_LOG_FORMAT is "{text[:40]}"; expected "text" or "json"')
    return text


def _positive(seconds: float) -> float:
    return seconds if seconds > 0 else math.inf


class _Reader:
    """Values as Ollama reads them: spaces and quotes around them are dropped, a bad number means the default."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def text(self, name: str) -> str:
        value = self._environment.get(f"HOLLAMA_{name}") or self._environment.get(f"OLLAMA_{name}") or ""
        return value.strip().strip("\"'").strip()

    def boolean(self, name: str) -> bool:
        return self.text(name) not in _FALSE

    def number(self, name: str, default: int) -> int:
        text = self.text(name)
        return int(text) if text.isdecimal() else default
