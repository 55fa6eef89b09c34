"""Who may talk to the server: CORS by Origin, and the Host check against DNS rebinding. Knows no route.

Source: facts about the API, 1.7 and 1.8.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Callable, Sequence

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

_METHODS = "GET,POST,PUT,PATCH,DELETE,HEAD,OPTIONS"
_STAINLESS = (
    "Arch,Async,Custom-Poll-Interval,Helper-Method,Lang,Os,Package-Version,Poll-Helper,Retry-Count,Runtime,"
    "Runtime-Version,Timeout"
)
_HEADERS = "Authorization,Content-Type,User-Agent,Accept,X-Requested-With,Openai-Beta," + ",".join(
    f"X-Stainless-{name}" for name in _STAINLESS.split(",")
)
_PREFLIGHT = {
    "Access-Control-Allow-Methods": _METHODS,
    "Access-Control-Allow-Headers": _HEADERS,
    "Access-Control-Max-Age": "43200",
}
_PRIVATE = [ipaddress.ip_network(net) for net in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")]


class Cors:
    """Refuses other origins with an empty 403, answers preflights, and tells allowed ones so on every answer."""

    def __init__(self, origins: Sequence[str]) -> None:
        """Each origin may have one "*"; a "*" by itself is everybody."""
        self._everybody = "*" in origins
        patterns = "|".join(re.escape(origin).replace(r"\*", ".*") for origin in origins)
        self._allowed = re.compile(patterns or r"(?!)")

    def middleware(self) -> Middleware:
        @web.middleware
        async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
            origin = _foreign_origin(request)
            if origin and not self._allowed.fullmatch(origin):
                return web.Response(status=403)
            if origin and request.method == "OPTIONS":
                return _preflight()
            return await handler(request)

        return check

    async def mark(self, request: web.Request, response: web.StreamResponse) -> None:
        origin = _foreign_origin(request)
        if not origin or not self._allowed.fullmatch(origin):
            return
        response.headers["Access-Control-Allow-Origin"] = "*" if self._everybody else origin
        if not self._everybody:
            response.headers.add("Vary", "Origin")


def _foreign_origin(request: web.Request) -> str:
    """The Origin, unless there is none or it is the server itself."""
    origin, host = request.headers.get("Origin", ""), request.headers.get("Host", "")
    return "" if origin in (f"http://{host}", f"https://{host}") else origin


def _preflight() -> web.Response:
    response = web.Response(status=204, headers=_PREFLIGHT)
    for name in ("Access-Control-Request-Method", "Access-Control-Request-Headers"):
        response.headers.add("Vary", name)
    return response


def host_check(bound: str) -> Middleware | None:
    """For a server on a loopback address: refuse requests for foreign hosts. None where it may be reached by all."""
    if not is_loopback(bound):
        return None
    hostname = socket.gethostname().lower()

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        host = split_port(request.headers.get("Host", "")).lower()
        known = host in ("", "localhost", hostname) or host.endswith((".localhost", ".local", ".internal"))
        if not known and not is_near(host):
            return web.Response(status=403)
        if known and request.method == "OPTIONS":
            return web.Response(status=204)
        return await handler(request)

    return middleware


def split_port(host: str) -> str:
    """The Host header without its port and brackets."""
    match = re.fullmatch(r"\[(.*)\](?::\d*)?|([^:]*)(?::\d*)?", host)
    return (match[1] or match[2] or "") if match else host


def is_near(host: str) -> bool:
    """Whether this is an address of this machine, of a private network, or of none."""
    return _address(host, lambda ip: ip.is_loopback or ip.is_unspecified or _is_private(ip) or _is_own(ip))


def is_loopback(host: str) -> bool:
    return host.lower() == "localhost" or _address(host, lambda ip: ip.is_loopback)


_Ip = ipaddress.IPv4Address | ipaddress.IPv6Address


def _address(host: str, test: Callable[[_Ip], bool]) -> bool:
    try:
        return test(ipaddress.ip_address(host))
    except ValueError:
        return False


def _is_private(ip: _Ip) -> bool:
    return any(ip.version == net.version and ip in net for net in _PRIVATE)


def _is_own(ip: _Ip) -> bool:
    """Only an address of one's own can be bound; that needs no list of interfaces."""
    try:
        with socket.socket(socket.AF_INET if ip.version == 4 else socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind((str(ip), 0))
    except OSError:
        return False
    return True
