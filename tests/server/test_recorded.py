"""What real Ollama answered to some hundred requests, replayed; the recording lies beside the checkout."""

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

CHAT = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}<|im_start|>assistant\n"
GROUPS = ("router", "cors", "host", "body", "names", "options")


async def test_the_dialect_is_ollamas(shared: Path, start: Callable[..., Any], install: Callable[..., None]) -> None:
    install("talky", context=2048, chat_template=CHAT, salt="talk")
    install("storiesx", context=2048, salt="stories")
    desk = await start()
    groups = [word for group in GROUPS for word in ("--group", group)]
    arguments = ["--url", desk.url, "--models", "talk=talky,stories=storiesx", *groups]
    script = str(shared / "conformance" / "compare.py")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-B", script, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()
