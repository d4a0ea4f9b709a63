"""Health, readiness and metrics, at the listener's root and without a key."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)

from signalling.internal_api.models.sessions import Health, Readiness
from signalling.internal_api.problems import problem_response
from signalling.store import Store

log = structlog.get_logger()

Check = Callable[[], Awaitable[None]]
"""Raises if what it looks at is not well."""

CHECK_TIMEOUT_S = 3.0


class Operation:
    def __init__(self, store: Store, checks: Mapping[str, Check], registry: CollectorRegistry) -> None:
        """`checks`: by name, besides the store's own."""
        self._store = store
        self._checks: Mapping[str, Check] = {"store": store.check, **checks}
        self._registry = registry
        self._rooms = Gauge("sightline_rooms", "Rooms by state", ["state"], registry=registry)
        self._requests = Counter(
            "sightline_internal_requests",
            "Requests to the internal API",
            ["method", "route", "status"],
            registry=registry,
        )
        self._seconds = Histogram(
            "sightline_internal_request_seconds",
            "Time that requests to the internal API took, seconds",
            ["method", "route"],
            registry=registry,
        )

    async def healthz(self, _request: web.Request) -> web.Response:
        return _json(Health().model_dump_json())

    async def readyz(self, _request: web.Request) -> web.Response:
        for name, check in self._checks.items():
            try:
                async with asyncio.timeout(CHECK_TIMEOUT_S):
                    await check()
            except Exception as error:
                log.warning("not_ready", check=name, exc_info=error)
                return problem_response("not_ready", f"The {name} is not ready.")
        return _json(Readiness().model_dump_json())

    async def metrics(self, _request: web.Request) -> web.Response:
        async with self._store.read() as tx:
            for state, count in (await tx.rooms.count_by_state()).items():
                self._rooms.labels(state).set(count)
        return web.Response(
            body=generate_latest(self._registry), headers={"Content-Type": CONTENT_TYPE_LATEST}
        )

    @web.middleware
    async def count(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Count each request under its route, never under its address, which names rooms."""
        started = time.perf_counter()
        response = await handler(request)
        resource = request.match_info.route.resource
        route = resource.canonical if resource is not None else "unknown"
        self._requests.labels(request.method, route, response.status).inc()
        self._seconds.labels(request.method, route).observe(time.perf_counter() - started)
        return response


def _json(body: str) -> web.Response:
    return web.Response(text=body, content_type="application/json")
