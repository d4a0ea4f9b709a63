"""What end-to-end tests need: a server, browsers, and content for their cameras."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol

import pytest
import pytest_asyncio

from tests.support.browser import Chromium, ChromiumPage, chromium
from tests.support.content import AGENT, REQUESTER, Devices, Side, make_devices
from tests.support.server import SightlineServer, running_server

POSITION = (48.7703337, -3.5149756)
"""Where the requester is: latitude, longitude."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.timeout(180))
            if pytest_asyncio.is_async_test(item):
                # One event loop per module, because a module's tests share a server.
                item.add_marker(pytest.mark.asyncio(loop_scope="module"), append=False)


@pytest.fixture(scope="session")
def devices(tmp_path_factory: pytest.TempPathFactory) -> dict[Side, Devices]:
    directory = tmp_path_factory.mktemp("content")
    return {side: make_devices(directory, side) for side in (REQUESTER, AGENT)}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SightlineServer]:
    """Shared by the tests of a module; at the end it must have logged no fault, and stop cleanly."""
    async with running_server(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browsers() -> AsyncIterator[Chromium]:
    async with chromium() as started:
        yield started


class ChromiumSide(Protocol):
    """Starts a Chromium with a side's camera and microphone: `async with chromium_side(AGENT) as page`."""

    def __call__(
        self, side: Side, *, viewport: tuple[int, int] = (1280, 800), mobile: bool = False
    ) -> AbstractAsyncContextManager[ChromiumPage]: ...


@pytest.fixture
def chromium_side(browsers: Chromium, devices: dict[Side, Devices]) -> ChromiumSide:
    def start(
        side: Side, *, viewport: tuple[int, int] = (1280, 800), mobile: bool = False
    ) -> AbstractAsyncContextManager[ChromiumPage]:
        return browsers.page(devices=devices[side], viewport=viewport, mobile=mobile)

    return start
