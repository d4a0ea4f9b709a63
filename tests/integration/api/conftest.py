from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient, TestServer

from signalling.internal_api import create_internal_app
from signalling.store import Store
from tests.support.internal_server import API_KEY, fake_links
from tests.support.live_rooms import FakeLiveRooms
from tests.support.store import SettableClock

KEY = {"Authorization": f"Bearer {API_KEY}"}


@dataclass(frozen=True)
class Api:
    """The API with a client that has the key, and what lies behind it."""

    client: TestClient[Any, Any]
    store: Store
    live: FakeLiveRooms
    clock: SettableClock

    async def call(self, method: str, path: str, status: int = 200, **options: Any) -> Any:
        """Call an operation below `/internal/v1` and return its JSON, after a look at the status."""
        response = await self.send(method, path, **options)
        answer = await response.json(content_type=None)
        assert response.status == status, answer
        return answer

    async def send(self, method: str, path: str, **options: Any) -> ClientResponse:
        headers = KEY | options.pop("headers", {})
        return await self.client.request(method, f"/internal/v1{path}", headers=headers, **options)

    async def problem(self, method: str, path: str, status: int, code: str, **options: Any) -> Any:
        """Call an operation that has to fail in this way."""
        response = await self.send(method, path, **options)
        answer = await response.json(content_type=None)
        assert (response.status, answer["code"]) == (status, code), answer
        assert response.content_type == "application/problem+json"
        assert answer["status"] == status
        assert answer["title"] and answer["detail"] and answer["type"].endswith(code)
        return answer

    async def create(self, **wanted: Any) -> Any:
        return await self.call("POST", "/rooms", 201, json=wanted)


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    clock = SettableClock()
    store = await Store.open(f"sqlite:///{tmp_path}/api.db", clock=clock)
    live = FakeLiveRooms(store)
    app = create_internal_app(store=store, live=live, links=fake_links(), api_key=API_KEY, enterprise=3)
    async with TestClient(TestServer(app)) as client:
        yield Api(client, store, live, clock)
    await store.aclose()
