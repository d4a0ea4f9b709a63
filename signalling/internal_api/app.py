"""The internal HTTP API as an aiohttp application: `/internal/v1`, health and metrics.

Meant for a loopback or private address; every operation needs the key. The documentation is open: it says
nothing about this installation, and a browser cannot send a key.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from prometheus_client import CollectorRegistry

from signalling.internal_api import recordings, rooms, sessions
from signalling.internal_api.docs import STYLE_SOURCE, docs_page
from signalling.internal_api.endpoint import PREFIX, AnyEndpoint, Services
from signalling.internal_api.live import LiveRooms
from signalling.internal_api.openapi import openapi_document
from signalling.internal_api.operation import Check, Operation
from signalling.internal_api.problems import ProblemError, problem_middleware
from signalling.links import Links
from signalling.store import Store

ENDPOINTS: tuple[AnyEndpoint, ...] = (*rooms.ENDPOINTS, *recordings.ENDPOINTS, *sessions.ENDPOINTS)

_OPENAPI_PATH = f"{PREFIX}/openapi.json"
_DOCS_PATH = f"{PREFIX}/docs"
_OPEN_PATHS = frozenset({"/healthz", "/readyz", "/metrics", _OPENAPI_PATH, _DOCS_PATH})


def create_internal_app(
    *,
    store: Store,
    live: LiveRooms,
    links: Links,
    api_key: str,
    enterprise: int,
    max_body_bytes: int = 262_144,
    checks: Mapping[str, Check] | None = None,
    registry: CollectorRegistry | None = None,
) -> web.Application:
    """Build the application; whoever made `store` and `live` closes them.

    Args:
        enterprise: enterprise id of rooms that are created without one.
        checks: what has to be well for `/readyz`, by name; the store is always looked at.
        registry: where metrics are, other parts' included; the application adds its own.
    """
    services = Services(store=store, live=live, links=links, enterprise=enterprise)
    operation = Operation(store, checks or {}, registry or CollectorRegistry())
    document = openapi_document(ENDPOINTS, _version())
    app = web.Application(
        middlewares=[operation.count, problem_middleware, _key_middleware(api_key)],
        client_max_size=max_body_bytes,
    )
    app.on_response_prepare.append(_harden)
    app.router.add_get("/healthz", operation.healthz)
    app.router.add_get("/readyz", operation.readyz)
    app.router.add_get("/metrics", operation.metrics)
    app.router.add_get(_OPENAPI_PATH, _fixed(json.dumps(document), "application/json"))
    app.router.add_get(_DOCS_PATH, _fixed(docs_page(document), "text/html"))
    resources: dict[str, web.Resource] = {}
    for endpoint in ENDPOINTS:
        path = PREFIX + endpoint.path
        resource = resources.get(path) or resources.setdefault(path, app.router.add_resource(path))
        handler = endpoint.handler(services)
        resource.add_route(endpoint.method, handler)
        if endpoint.method == "GET":
            resource.add_route("HEAD", handler)
    return app


def _version() -> str:
    try:
        return version("sightline")
    except PackageNotFoundError:
        return "0"


def _fixed(text: str, content_type: str) -> Handler:
    async def handle(_request: web.Request) -> web.StreamResponse:
        return web.Response(text=text, content_type=content_type)

    return handle


def _key_middleware(api_key: str) -> Middleware:
    expected = api_key.encode()

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        """Every address but the open ones needs the key, also those that do not exist."""
        if request.path not in _OPEN_PATHS:
            given = request.headers.getall("Authorization", [])
            scheme, _, key = given[0].partition(" ") if len(given) == 1 else ("", "", "")
            valid = hmac.compare_digest(key.strip().encode("utf-8", "surrogateescape"), expected)
            if scheme.lower() != "bearer" or not valid:
                raise ProblemError("unauthorized", "Send the key as Authorization: Bearer <key>.")
        return await handler(request)

    return check


async def _harden(_request: web.Request, response: web.StreamResponse) -> None:
    headers = response.headers
    headers.pop("Server", None)
    headers.setdefault("Cache-Control", "no-store")
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Referrer-Policy"] = "no-referrer"
    headers["Content-Security-Policy"] = (
        f"default-src 'none'; style-src {STYLE_SOURCE}; frame-ancestors 'none'; base-uri 'none'; "
        "form-action 'none'"
    )
