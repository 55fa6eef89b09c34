"""What gin answers where no handler does: 404 and 405 as plain text, redirects, OPTIONS. Knows no handler.

Source: facts about the API, 1.2.
"""

from __future__ import annotations

import posixpath

from aiohttp import web
from aiohttp.typedefs import Handler
from yarl import URL


@web.middleware
async def routing(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Redirect to the path that was meant; say which methods there are wherever the one asked for is not."""
    missing = request.match_info.http_exception
    clean = _clean(request.path)
    if clean != request.path:
        return _redirect(request, clean, 301)
    if isinstance(missing, web.HTTPNotFound) and await _exists(request, request.path.rstrip("/")):
        return _redirect(request, request.path.rstrip("/"), 301 if request.method == "GET" else 307)
    response = await handler(request)
    if isinstance(missing, web.HTTPMethodNotAllowed):
        response.headers["Allow"] = _methods(missing)
    return response


@web.middleware
async def refusals(request: web.Request, handler: Handler) -> web.StreamResponse:
    """404 and 405 in plain text."""
    match request.match_info.http_exception:
        case web.HTTPMethodNotAllowed():
            return web.Response(status=405, body=b"405 method not allowed", headers={"Content-Type": "text/plain"})
        case web.HTTPException():
            return web.Response(status=404, body=b"404 page not found", headers={"Content-Type": "text/plain"})
    return await handler(request)


def _methods(error: web.HTTPMethodNotAllowed) -> str:
    return ", ".join(sorted(error.allowed_methods))


def _clean(path: str) -> str:
    """Without doubled slashes and dots, which is where Go redirects to."""
    clean = posixpath.normpath(path) if path else "/"
    clean = "/" + clean.lstrip("/")
    return f"{clean}/" if path.endswith("/") and clean != "/" else clean


async def _exists(request: web.Request, path: str) -> bool:
    if not path or path == request.path:
        return False
    found = await request.app.router.resolve(request.clone(rel_url=URL.build(path=path)))
    return found.http_exception is None


def _redirect(request: web.Request, path: str, status: int) -> web.Response:
    location = str(URL.build(path=path, query_string=request.query_string))
    if request.method not in ("GET", "HEAD"):
        return web.Response(status=status, headers={"Location": location})
    body = f'<a href="{location}">Moved Permanently</a>.\n\n' if request.method == "GET" else ""
    return web.Response(status=status, text=body, content_type="text/html", headers={"Location": location})
