"""The corpus: an endless, seeded stream of conversations of every skill, and the ChatML text they are trained as.

It knows nothing of tokens or networks and needs only the standard library. `python -m hollie.corpus` prints samples.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Callable, Iterator
from typing import Any

from .phrase import TRAIN
from .sample import Message, Sample, Tool
from .skills import arithmetic, extract, instructions, knowledge, memory, repeat, smalltalk, tools

Maker = Callable[[random.Random, str], Sample]

SKILLS: dict[str, Maker] = {
    "knowledge": knowledge.sample,
    "unknown": knowledge.unknown,
    "smalltalk": smalltalk.sample,
    "memory": memory.sample,
    "instructions": instructions.sample,
    "arithmetic": arithmetic.sample,
    "json": extract.sample,
    "tools": tools.sample,
    "repeat": repeat.sample,
}
SHARES = {  # of conversations
    "knowledge": 24, "unknown": 5, "smalltalk": 10, "memory": 40, "instructions": 34, "arithmetic": 32, "json": 24,
    "tools": 20, "repeat": 70, "mixed": 0.3,
}
MIXED = ("knowledge", "unknown", "smalltalk", "arithmetic", "arithmetic", "json", "repeat", "memory")
TOOLS_HEAD = (
    "# Tools\n\nYou may call one or more functions to assist with the user query.\n\n"
    "You are provided with function signatures within <tools></tools> XML tags:\n<tools>"
)
TOOLS_TAIL = (
    "\n</tools>\n\nFor each function call, return a json object with function name and arguments within "
    "<tool_call></tool_call> XML tags:\n<tool_call>\n"
    '{"name": <function-name>, "arguments": <args-json-object>}\n</tool_call>'
)


def mixed(rng: random.Random, split: str) -> Sample:
    """A long talk about everything, so that far positions are not foreign."""
    messages: list[Message] = []
    for _ in range(rng.randint(3, 24)):
        made = SKILLS[rng.choice(MIXED)](rng, split)
        messages += [message for message in made.messages if message["role"] != "system"]
    return Sample("mixed", tuple(messages), made.check)


def draw(rng: random.Random, split: str = TRAIN) -> Sample:
    """One sample of a skill chosen by the shares."""
    skill = rng.choices(list(SHARES), list(SHARES.values()))[0]
    return mixed(rng, split) if skill == "mixed" else SKILLS[skill](rng, split)


def stream(seed: int, split: str = TRAIN) -> Iterator[Sample]:
    """The same endless samples for the same seed."""
    rng = random.Random(seed)
    while True:
        yield draw(rng, split)


def tool_line(tool: Tool, compact: bool) -> str:
    return "\n" + json.dumps(tool, ensure_ascii=False, separators=(",", ":") if compact else (", ", ": "))


def head(messages: tuple[Message, ...], offered: tuple[Tool, ...], compact: bool) -> str:
    """The system turn, or nothing."""
    said = messages[0]["content"] if messages and messages[0]["role"] == "system" else ""
    listed = TOOLS_HEAD + "".join(tool_line(tool, compact) for tool in offered) + TOOLS_TAIL if offered else ""
    text = "\n\n".join(part for part in (said, listed) if part)
    return f"<|im_start|>system\n{text}<|im_end|>\n" if text else ""


def spoken(message: Message) -> str:
    """What stands between `<|im_start|>assistant` and `<|im_end|>`."""
    parts = [message["content"]] if message["content"] else []
    for entry in message.get("tool_calls") or ():
        called: dict[str, Any] = {"name": entry["function"]["name"], "arguments": entry["function"]["arguments"]}
        parts.append(f"<tool_call>\n{json.dumps(called, ensure_ascii=False)}\n</tool_call>")
    return "\n".join(parts)


def segments(sample: Sample, compact: bool) -> list[tuple[str, bool]]:
    """The text of a conversation in pieces, each with whether it is to be learned (what the assistant says)."""
    pieces = [(head(sample.messages, sample.tools, compact), False)]
    for at, message in enumerate(sample.messages):
        role, content = message["role"], message["content"]
        if role == "assistant":
            pieces += [("<|im_start|>assistant\n", False), (spoken(message) + "<|im_end|>", True), ("\n", False)]
        elif role == "tool":
            opens = sample.messages[at - 1]["role"] != "tool"
            closes = at + 1 == len(sample.messages) or sample.messages[at + 1]["role"] != "tool"
            turn = f"\n<tool_response>\n{content}\n</tool_response>"
            pieces.append(("<|im_start|>user" * opens + turn + "<|im_end|>\n" * closes, False))
        elif role == "user" or at:
            pieces.append((f"<|im_start|>{role}\n{content}<|im_end|>\n", False))
    return pieces


def text(sample: Sample, compact: bool = True) -> str:
    return "".join(piece for piece, _ in segments(sample, compact))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--split", default=TRAIN)
    parser.add_argument("--skill", choices=list(SKILLS))
    args = parser.parse_args()
    rng = random.Random(args.seed)
    for _ in range(args.count):
        made = SKILLS[args.skill](rng, args.split) if args.skill else draw(rng, args.split)
        print(f"--- {made.skill} {made.check}\n{text(made)}")


if __name__ == "__main__":
    main()
