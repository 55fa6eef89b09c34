"""Speaks Ollama's API over HTTP with the standard library. Knows paths, JSON and NDJSON; not what an answer means."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import platform
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote, urlsplit

from hollama.cli.version import version
from hollama.config import Address, load_settings
from hollama.errors import ClientError

Json = dict[str, Any]

LINE_LIMIT = 8 << 20  # bytes of one line of a stream, as in Ollama's client
_CONNECT_TIMEOUT = 10.0  # seconds; answers themselves may take as long as they like
_UPLOAD_CHUNK = 1 << 20  # bytes
_MACHINE = f"{platform.machine()} {platform.system().lower()}"
_USER_AGENT = f"hollama/{version()} ({_MACHINE}) Python/{platform.python_version()}"


class Client:
    """One server. Every call opens its own connection, so a call may be given up halfway.

    All methods but `answers` raise ClientError: `unreachable` if no server is there, else with the server's message.
    """

    def __init__(self, address: Address) -> None:
        self.address = address

    def answers(self) -> str | None:
        """The first bytes of what `/` says: none if that is no HTTP, None where nothing listens."""
        try:
            connection = self._connect(patience=_CONNECT_TIMEOUT)
        except OSError:
            return None
        try:
            connection.request("GET", f"{self.address.path}/", headers={"User-Agent": _USER_AGENT})
            return connection.getresponse().read(64).decode("utf-8", "replace")
        except (OSError, http.client.HTTPException):
            return ""
        finally:
            connection.close()

    def get(self, path: str) -> Json:
        return self._whole("GET", path, None)

    def post(self, path: str, body: Json) -> Json:
        return self._whole("POST", path, body)

    def delete(self, path: str, body: Json) -> Json:
        return self._whole("DELETE", path, body)

    def stream(self, path: str, body: Json) -> Generator[Json, None, None]:
        """The objects of an NDJSON answer. Closing the iterator hangs up, which cancels the work."""
        connection, response = self._send("POST", path, json.dumps(body).encode(), "application/x-ndjson")
        try:
            if response.status >= 400:
                message = _message(response.read(LINE_LIMIT))
                raise ClientError(f"{response.status} {response.reason}: {message}", status=response.status)
            while line := _read_line(response):
                yield _checked(_decoded(line))
        except (OSError, http.client.HTTPException) as error:
            raise ClientError(f"the server hung up in the middle of its answer ({error}); see its log") from error
        finally:
            connection.close()

    def has_blob(self, digest: str) -> bool:
        connection, response = self._send("HEAD", f"/api/blobs/{quote(digest)}", None)
        connection.close()
        return response.status == 200

    def upload(self, digest: str, file: Path, progress: Callable[[int], None]) -> None:
        """Put a file into the server's blobs; `progress` is told the bytes sent so far."""
        with file.open("rb") as source:
            headers = {"Content-Length": str(file.stat().st_size)}
            chunks = _chunks(source, progress)
            connection, response = self._send("POST", f"/api/blobs/{quote(digest)}", chunks, headers=headers)
            _finish(connection, response)

    def _whole(self, method: str, path: str, body: Json | None) -> Json:
        data = None if body is None else json.dumps(body).encode()
        return _finish(*self._send(method, path, data))

    def _send(
        self,
        method: str,
        path: str,
        body: bytes | Iterator[bytes] | None,
        accept: str = "application/json",
        headers: dict[str, str] | None = None,
    ) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        try:
            connection = self._connect()
        except OSError as error:
            raise ClientError(_unreachable(self.address, error), unreachable=True) from error
        every = {"User-Agent": _USER_AGENT, "Accept": accept, "Content-Type": "application/json", **(headers or {})}
        try:
            # a server may answer before it has read everything: it has the blob already, or refuses it
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.request(method, self.address.path + path, body, every)
            return connection, connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise ClientError(f"{self.address.url} did not answer as a server should ({error})") from error
        except BaseException:
            connection.close()
            raise

    def _connect(self, patience: float | None = None) -> http.client.HTTPConnection:
        """A connection on which every answer is awaited for `patience` seconds; None is for ever. Raises OSError."""
        secure = self.address.scheme == "https"
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        try:
            connection = kind(urlsplit(self.address.url).hostname or "", self.address.port, timeout=_CONNECT_TIMEOUT)
            connection.connect()
        except ValueError as error:  # a host that is neither a name nor an address
            raise OSError(str(error)) from error
        connection.sock.settimeout(patience)
        return connection


def connect() -> Client:
    """The client of the server that OLLAMA_HOST (HOLLAMA_HOST) names."""
    return Client(load_settings(os.environ).host)


def _unreachable(address: Address, error: OSError) -> str:
    text = "could not connect to hollama server, run 'hollama serve' to start it"
    local = load_settings({}).host
    return text if address == local else f"{text} (tried {address.url}: {error.strerror or error})"


def _finish(connection: http.client.HTTPConnection, response: http.client.HTTPResponse) -> Json:
    try:
        data = response.read()
    except (OSError, http.client.HTTPException) as error:
        raise ClientError(f"the server hung up in the middle of its answer ({error}); see its log") from error
    finally:
        connection.close()
    if response.status >= 400:
        raise ClientError(_message(data) or f"{response.status} {response.reason}", status=response.status)
    return _decoded(data) if data.strip() else {}


def _decoded(data: bytes) -> Json:
    try:
        value = json.loads(data)
    except ValueError as error:
        raise ClientError(f"the server sent something that is no JSON: {data[:80]!r}") from error
    if not isinstance(value, dict):
        raise ClientError(f"the server sent something that is no JSON object: {data[:80]!r}")
    return value


def _message(data: bytes) -> str:
    """The text of an error, whether the server words it in JSON or not."""
    try:
        value = json.loads(data)
    except ValueError:
        return data.decode("utf-8", "replace").strip()
    return str(value.get("error", "")) if isinstance(value, dict) else str(value)


def _checked(item: Json) -> Json:
    if error := item.get("error"):
        raise ClientError(str(error))
    return item


def _read_line(response: http.client.HTTPResponse) -> bytes:
    line = response.readline(LINE_LIMIT + 1)
    if len(line) > LINE_LIMIT:
        raise ClientError(f"the server sent a line of more than {LINE_LIMIT} bytes")
    return line


def _chunks(source: BinaryIO, progress: Callable[[int], None]) -> Iterator[bytes]:
    sent = 0
    while chunk := source.read(_UPLOAD_CHUNK):
        yield chunk
        sent += len(chunk)
        progress(sent)
