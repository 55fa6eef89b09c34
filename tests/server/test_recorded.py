"""What real Ollama answered to some hundred requests, replayed; the recording lies beside the checkout."""

import asyncio
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

CHAT = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}<|im_start|>assistant\n"
GROUPS = ("router", "cors", "host", "body", "names", "options", "openai-chat", "openai-completions", "embed")
BEYOND = {  # what differs, and on purpose
    "router/404-v1-messages-count_tokens": "tokens are counted here, so the path exists",
    "openai-chat/reasoning-low": "thoughts have the name that other servers give them too",
    "openai-chat/reasoning-default": "thoughts have the name that other servers give them too",
    "openai-chat/unknown-fields": "n is not ignored",
    "openai-completions/ignored": "n and echo are not ignored",
    "openai-completions/prompt-list": "several prompts are taken",
    "openai-completions/prompt-tokens": "so are token ids",
    "openai-completions/logprobs": "log-probabilities that were asked for are given",
}


async def test_the_dialects_are_ollamas(shared: Path, start: Callable[..., Any], install: Callable[..., None]) -> None:
    install("talky", context=2048, chat_template=CHAT, salt="talk")
    install("storiesx", context=2048, salt="stories")
    install("pooled", salt="embed", metadata={"llama.pooling_type": 1})
    desk = await start()
    groups = [word for group in GROUPS for word in ("--group", group)]
    arguments = ["--url", desk.url, "--models", "talk=talky,stories=storiesx,embed=pooled", *groups]
    script = str(shared / "conformance" / "compare.py")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-B", script, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output = (await process.communicate())[0].decode()
    failed = set(re.findall(r"^FAIL (\S+): ", output, re.MULTILINE))
    assert failed == set(BEYOND), output
    assert " passed, " in output
