"""Shows work that takes time: drawn on a terminal, plain lines elsewhere. Does not know what the work is."""

from __future__ import annotations

import shutil
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol, TextIO

from hollama.cli.human import human_bytes

_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_TICK = 0.1  # seconds between two drawings
_SAMPLES = 10  # one-second samples that a rate is averaged over


class Progress(Protocol):
    """What a command tells of its progress."""

    def status(self, text: str) -> None:
        """A step without a measure; the step before it is done."""
        ...

    def advance(self, text: str, completed: int, total: int, *, sizes: bool = True) -> None:
        """How far the step `text` is, in bytes unless `sizes` is false; `total` is 0 where nobody knows."""
        ...


@contextmanager
def spinner(stream: TextIO, text: str) -> Iterator[None]:
    """A turning wheel until the block ends, gone afterwards; nothing at all if `stream` is no terminal."""
    if not stream.isatty():
        yield
        return
    with progress(stream, keep=False) as shown:
        shown.status(text)
        yield


@contextmanager
def progress(stream: TextIO, keep: bool = True) -> Iterator[Progress]:
    """Progress on `stream` until the block ends: drawn if it is a terminal, else a line for every step."""
    if not stream.isatty():
        yield PlainProgress(stream)
        return
    drawn = TerminalProgress(stream)
    stopped = threading.Event()
    ticker = threading.Thread(target=_tick, args=(drawn.draw, stopped), daemon=True)
    ticker.start()
    try:
        yield drawn
    finally:
        stopped.set()
        ticker.join()
        drawn.finish(keep)


def _tick(draw: Callable[[], None], stopped: threading.Event) -> None:
    while not stopped.wait(_TICK):
        draw()


class PlainProgress:
    """A line when a step begins, and one when a measured step is done: what a log wants."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._shown: set[str] = set()

    def status(self, text: str) -> None:
        self._line(text)

    def advance(self, text: str, completed: int, total: int, *, sizes: bool = True) -> None:
        self._line(text)
        if total and completed >= total:
            self._line(f"{text} 100%")

    def _line(self, text: str) -> None:
        if text not in self._shown:
            self._shown.add(text)
            print(text, file=self._stream, flush=True)


@dataclass
class Step:
    """One line on the terminal."""

    text: str
    completed: int = 0
    total: int = 0
    sizes: bool = True
    done: bool = False
    samples: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=_SAMPLES))

    def sample(self, now: float) -> None:
        if not self.samples or now - self.samples[-1][0] >= 1:
            self.samples.append((now, self.completed))

    @property
    def rate(self) -> float:
        """Units a second over the last samples; 0 where there are too few."""
        if len(self.samples) < 2:
            return 0.0
        (start, first), (end, last) = self.samples[0], self.samples[-1]
        return (last - first) / (end - start)


class TerminalProgress:
    """Draws all steps in place, ten times a second."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._steps: dict[str, Step] = {}
        self._lines = 0  # that the last drawing took
        self._lock = threading.Lock()

    def status(self, text: str) -> None:
        with self._lock:
            self._end_others(text)
            self._steps.setdefault(text, Step(text))

    def advance(self, text: str, completed: int, total: int, *, sizes: bool = True) -> None:
        with self._lock:
            self._end_others(text)
            step = self._steps.setdefault(text, Step(text))
            step.completed, step.total, step.sizes = completed, total, sizes
            step.sample(time.monotonic())

    def _end_others(self, text: str) -> None:
        for step in self._steps.values():
            step.done = step.done or step.text != text

    def draw(self) -> None:
        with self._lock:
            width, height = shutil.get_terminal_size()
            steps = list(self._steps.values())[1 - height :]
            frame = _FRAMES[int(time.monotonic() / _TICK) % len(_FRAMES)]
            back = f"\x1b[{self._lines}A" if self._lines else ""
            lines = "".join(f"\x1b[K{step_line(step, width, frame)}\n" for step in steps)
            self._stream.write(f"\x1b[?2026h\x1b[?25l{back}\r{lines}\x1b[J\x1b[?25h\x1b[?2026l")
            self._stream.flush()
            self._lines = len(steps)

    def finish(self, keep: bool) -> None:
        """The last drawing; an empty one if the steps are not worth keeping."""
        for step in self._steps.values():
            step.done = True
        if not keep:
            self._steps.clear()
        self.draw()


def step_line(step: Step, width: int, frame: str) -> str:
    """One step as text of at most `width` columns."""
    if not step.total:
        return (step.text if step.done else f"{step.text} {frame}")[: width - 1]
    share = min(step.completed / step.total, 1)
    before = f"{step.text}: {share:4.0%} ▕"
    after = f"▏ {_amount(step)}"
    room = max(width - 1 - len(before) - len(after), 0)
    filled = int(room * share)
    return (before + "█" * filled + " " * (room - filled) + after)[: width - 1]


def _amount(step: Step) -> str:
    over, rate = step.done or step.completed >= step.total, step.rate
    left = f" {_left((step.total - step.completed) / rate):>6}" if rate and not over else ""
    if not step.sizes:
        return f"{step.completed}/{step.total}{left}"
    if over:
        return f"{human_bytes(step.total):>6}"
    speed = f"{human_bytes(int(rate)):>6}/s{left}" if rate else ""
    return f"{human_bytes(step.completed):>6}/{human_bytes(step.total):>6} {speed}"


def _left(seconds: float) -> str:
    """Time left as Ollama writes it: `24s`, `1m30s`, `2h5m`, `99h+`."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours > 99:
        return "99h+"
    if hours:
        return f"{hours}h{minutes}m"
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
