"""One real server for all tests of a module; what it logged is looked at when they are through."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support.server import SightlineServer, running_server


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SightlineServer]:
    directory: Path = tmp_path_factory.mktemp("server")
    async with running_server(directory) as server:
        yield server
