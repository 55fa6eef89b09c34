"""What every handler works with."""

from __future__ import annotations

from dataclasses import dataclass

from hollama.config import Settings
from hollama.runtime.compile import Compiler
from hollama.runtime.runtime import Runtime
from hollama.store.store import Store


@dataclass(frozen=True)
class Rooms:
    runtime: Runtime
    store: Store
    settings: Settings
    compiler: Compiler
