"""Requests that are wrong in some way, made of the server's own description, and what may be answered to them."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from random import Random
from typing import Any

Json = Any

TIMEOUT = 20.0  # seconds for one exchange; the answers are a few tokens long
PLACES = {"digest": ("sha256:" + "0" * 64, "sha256-" + "a" * 64), "model": ("noise", "nobody"), "key": ("k",)}
NAMES = ("noise", "noise", "noise", "thinker", "NOISE:latest", "nobody", "noise:local", "x:cloud", "a b", "", "../../x")
WORDS = (
    *NAMES,
    "user",
    "tool",
    "assistant",
    "json",
    "high",
    "5m",
    "-1",
    "{{ .Prompt }}",
    "{{",
    "\0",
    "\ud800",
    "é" * 99,
)
NUMBERS = (0, 1, -1, 2, 0.5, -0.0, 20, 21, 128, 2**31, 2**63 - 1, 2**63, -(2**63) - 1, 10**40, 1e308, 1e-320)
HEADERS = (
    {"Content-Type": "text/plain"},
    {"Content-Type": "multipart/form-data; boundary=x"},
    {"Content-Encoding": "gzip"},
    {"Content-Encoding": "zstd"},
    {"Content-Encoding": "what"},
    {"Accept": "\x7f", "Accept-Encoding": "*;q=x"},
    {"Origin": "null"},
    {"Origin": "http://evil.example"},
    {"Host": "evil.example"},
    {"Host": "[::"},
    {"Expect": "100-continue"},
    {"Transfer-Encoding": "chunked"},
    {"Content-Length": "-1"},
    {"Content-Length": "7"},
    {"Connection": "upgrade", "Upgrade": "websocket"},
)
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "post", "X")
# A 5xx that is right, with the reason: Ollama answers it, and its clients know it.
ALLOWED = {
    r'^option "\w+" must be of': "an option of the wrong type is answered with 500 (facts about the API, 3.5)",
    r"^unsupported quantization type": "create's own faults are 500 (facts about Modelfiles, 4.1)",
    r"^quantization is only supported": "the same",
    r"^json: cannot unmarshal \w+ into Go value of type (\[\]string|string)$": "create's licence, the same",
    r"^open .*: no such file or directory$": "create from, or push of, what is not there, the same",
    r"registry .* is unreachable|^pull model manifest: ": "pull and push without a registry (facts about the API, 4.9)",
    r"template: ": "a template that fails when it is executed (facts about the API, 4.1)",
}


@dataclass(frozen=True)
class Attempt:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Answer:
    """`status` is 0 where the server closed the connection without a word."""

    status: int
    content_type: str = ""
    body: bytes = b""


@dataclass
class Attempts:
    """Requests without end: a plausible one for some route, with one or more things wrong about it."""

    description: Json
    random: Random

    def __iter__(self) -> Iterator[Attempt]:
        routes = [(method, path) for path, known in self.description["paths"].items() for method in known]
        routes += [route for route in routes if route[0] == "post"] * 3
        while True:
            yield self._spoiled(self._plausible(*self.random.choice(routes)))

    def _plausible(self, method: str, path: str) -> Attempt:
        operation = self.description["paths"][path][method]
        filled = re.sub(r"\{(\w+)\}", lambda match: self.random.choice(PLACES[match[1]]), path)
        content = operation.get("requestBody", {}).get("content", {})
        schema = next(iter(content.values()), {}).get("schema")
        body = b"" if schema is None else self._written(self._value(schema, 0))
        return Attempt(method.upper(), filled, {}, body)

    def _written(self, value: Json) -> bytes:
        return json.dumps(value, ensure_ascii=self.random.random() < 0.5).encode("utf-8", "surrogatepass")

    def _value(self, schema: Json, depth: int) -> Json:
        if depth > 5 or self.random.random() < 0.08:
            return self._junk(depth)
        if "$ref" in schema:
            schema = self.description["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        if "anyOf" in schema:
            return self._value(self.random.choice(schema["anyOf"]), depth)
        kinds = schema.get("type", "any")
        kind = self.random.choice(kinds) if isinstance(kinds, list) else kinds
        match kind:
            case "object" if "properties" in schema:
                return self._object(schema["properties"], depth)
            case "object":
                return {"a": self._junk(depth), "num_predict": 3, "temperature": self._junk(depth + 4)}
            case "array":
                return [self._value(schema.get("items", {}), depth + 1) for _ in range(self.random.randrange(3))]
            case "string":
                return self.random.choice(WORDS)
            case "boolean":
                return self.random.random() < 0.5
            case "integer" | "number":
                return self.random.choice(NUMBERS)
        return self._junk(depth)

    def _object(self, properties: Json, depth: int) -> Json:
        share = self.random.choice((0.1, 0.3, 0.9))
        chosen = [name for name in properties if self.random.random() < share]
        made = {name: self._value(properties[name], depth + 1) for name in chosen}
        if "model" in properties and self.random.random() < 0.9:
            made["model"] = self.random.choice(NAMES)
        return made

    def _junk(self, depth: int) -> Json:
        match self.random.randrange(9 if depth < 5 else 6):
            case 0:
                return None
            case 1:
                return self.random.random() < 0.5
            case 2 | 3:
                return self.random.choice(NUMBERS)
            case 4 | 5:
                return self.random.choice(WORDS)
            case 6:
                return [self._junk(depth + 1) for _ in range(self.random.randrange(4))]
            case 7:
                return {self.random.choice(WORDS): self._junk(depth + 1) for _ in range(self.random.randrange(4))}
        deep: Json = []
        for _ in range(self.random.choice((3, 150, 500))):
            deep = [deep]
        return deep

    def _spoiled(self, attempt: Attempt) -> Attempt:
        match self.random.randrange(10):
            case 0 | 1:
                return replace(attempt, body=self._damaged(attempt.body))
            case 2:
                return replace(attempt, headers=self.random.choice(HEADERS))
            case 3:
                return replace(attempt, method=self.random.choice(METHODS))
            case 4:
                return replace(attempt, path=self._lost(attempt.path))
        return attempt

    def _damaged(self, body: bytes) -> bytes:
        data = bytearray(body or b"{}")
        place = self.random.randrange(len(data))
        match self.random.randrange(5):
            case 0:
                return bytes(data[:place])
            case 1:
                data[place] ^= 1 << self.random.randrange(8)
            case 2:
                data[place:place] = self.random.randbytes(self.random.randrange(9))
            case 3:
                data[place:place] = b"[" * self.random.choice((2, 20_000))
            case 4:
                data[place:] = data[: len(data) - place] * 3
        return bytes(data)

    def _lost(self, path: str) -> str:
        tail = self.random.choice(
            ("/", "//", "/..", "/%2e%2e/", "%00", "%", "?x=%zz", "?" + "a" * 9000, "/é", "#", ";")
        )
        return path + tail if self.random.random() < 0.7 else tail + path


async def exchange(host: str, port: int, attempt: Attempt) -> Answer:
    """Send it over a connection of its own. Raises TimeoutError for a server that hangs."""
    headers = {"Host": "localhost", "Content-Length": str(len(attempt.body)), "Connection": "close", **attempt.headers}
    head = f"{attempt.method} {attempt.path} HTTP/1.1\r\n" + "".join(f"{key}: {headers[key]}\r\n" for key in headers)
    async with asyncio.timeout(TIMEOUT):
        reader, writer = await asyncio.open_connection(host, port, limit=1 << 26)
        try:
            writer.write(head.encode("utf-8", "surrogatepass") + b"\r\n" + attempt.body)
            writer.write_eof()
            return _parsed(await reader.read(-1), attempt.method)
        except ConnectionError:
            return Answer(0)
        finally:
            writer.close()


def _parsed(data: bytes, method: str) -> Answer:
    data = re.sub(rb"\AHTTP/1.1 100 Continue\r\n\r\n", b"", data)
    head, _, body = data.partition(b"\r\n\r\n")
    if not head:
        return Answer(0)
    lines = head.decode("latin1").split("\r\n")
    headers = {key.lower(): value.strip() for key, _, value in (line.partition(":") for line in lines[1:])}
    if headers.get("transfer-encoding") == "chunked" and method != "HEAD":
        body = _joined(body)
    return Answer(int(lines[0].split()[1]), headers.get("content-type", ""), body)


def _joined(body: bytes) -> bytes:
    """The body of chunks; raises ValueError where the last of them is missing."""
    whole = b""
    while True:
        size, _, body = body.partition(b"\r\n")
        if not int(size, 16):
            return whole
        whole, body = whole + body[: int(size, 16)], body[int(size, 16) + 2 :]


def complaint(attempt: Attempt, answer: Answer) -> str:
    """What is wrong about an answer; nothing if it is as it must be."""
    kind = answer.content_type.partition(";")[0]
    if answer.status < 400:
        return _of_stream(attempt.path, answer) if kind in ("application/x-ndjson", "text/event-stream") else ""
    if kind != "application/json" or not answer.body:  # of the router, the guards, or for what is no HTTP
        return f"{answer.status} without a reason" if answer.status >= 500 and answer.status != 501 else ""
    try:
        said = json.loads(answer.body)
    except ValueError:
        return "an error that is no JSON"
    message = text_of(attempt.path, said)
    if not message:
        return f"an error in the wrong shape: {answer.body[:200]!r}"
    if answer.status >= 500 and not any(re.search(pattern, message) for pattern in ALLOWED):
        return f"{answer.status}: {message}"
    return ""


def _of_stream(path: str, answer: Answer) -> str:
    lines = [
        line.removeprefix(b"data: ") for line in answer.body.splitlines() if line and not line.startswith(b"event:")
    ]
    try:
        pieces = [json.loads(line) for line in lines if line != b"[DONE]"]
    except ValueError:
        return "a stream with a line that is no JSON"
    faults = [piece for piece in pieces if piece.get("error")]
    wrong = [fault for fault in faults if not text_of(path, fault)]
    if not pieces or wrong or "internal error" in str(faults):
        return f"a stream that fails: {str(wrong or faults)[:200]}"
    return ""


def text_of(path: str, said: Json) -> str:
    """The text of an error in the shape of the API that `path` belongs to, nothing if it has another."""
    clean = "/" + path.lstrip("/")
    match said:
        case {"type": "error", "error": {"type": str(), "message": str(text)}} if clean.startswith("/v1/messages"):
            return text
        case {"error": {"message": str(text), "type": str(), "param": _, "code": _}} if clean.startswith("/v1/"):
            return text
        case {"error": str(text)} if not clean.startswith("/v1/"):
            return text
    return ""
