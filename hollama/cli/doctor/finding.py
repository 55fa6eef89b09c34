"""What a check found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warn", "fail"]


@dataclass(frozen=True)
class Finding:
    """One line of the report, and what to try where it is not good."""

    subject: str
    state: State
    detail: str
    advice: str = ""
