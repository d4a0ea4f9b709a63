"""One line per request, without what would let its reader in.

Query strings hold passwords and signatures, and the path of a meeting is its key: the route is logged, not
the address. Requests of socket.io are not logged; sessions are.
"""

from __future__ import annotations

import structlog
from aiohttp import web
from aiohttp.abc import AbstractAccessLogger

log = structlog.get_logger()


class AccessLogger(AbstractAccessLogger):
    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        """`time`: seconds that the request took."""
        route = _route(request)
        if not route.startswith("/socket.io"):
            log.info(
                "http_request",
                method=request.method,
                route=route,
                status=response.status,
                bytes=response.body_length,
                duration_ms=round(time * 1000, 1),
            )


def _route(request: web.BaseRequest) -> str:
    if not isinstance(request, web.Request) or request._match_info is None:
        return "unknown"  # bytes that are no HTTP request never came to the router
    resource = request.match_info.route.resource
    return "unknown" if resource is None else resource.canonical
