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


def cors(origins: Sequence[str]) -> Middleware:
    """Refuse other origins with an empty 403; answer preflights. Each origin may have one "*"."""
    everyone = "*" in origins
    allowed = re.compile("|".join(re.escape(origin).replace(r"\*", ".*") for origin in origins) or r"(?!)")

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        origin = request.headers.get("Origin", "")
        host = request.headers.get("Host", "")
        if not origin or origin in (f"http://{host}", f"https://{host}"):
            return await handler(request)
        if not allowed.fullmatch(origin):
            return web.Response(status=403)
        request["cors"] = "*" if everyone else origin
        if request.method == "OPTIONS":
            response = web.Response(status=204, headers=_PREFLIGHT)
            for name in ("Access-Control-Request-Method", "Access-Control-Request-Headers"):
                response.headers.add("Vary", name)
            return response
        return await handler(request)

    return middleware


async def mark(request: web.Request, response: web.StreamResponse) -> None:
    """Tell an allowed origin so, on whatever is answered, streams included."""
    origin = request.get("cors")
    if origin:
        response.headers["Access-Control-Allow-Origin"] = origin
        if origin != "*":
            response.headers.add("Vary", "Origin")


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
