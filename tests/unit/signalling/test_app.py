from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import aiohttp
import pytest

from signalling.app import page_origins, running
from signalling.errors import PortUnavailableError
from signalling.secrets import load_secrets
from signalling.settings import Settings, load_settings


def free_ports() -> dict[str, int]:
    with socket.socket() as public, socket.socket() as internal:
        public.bind(("127.0.0.1", 0))
        internal.bind(("127.0.0.1", 0))
        return {"public": public.getsockname()[1], "internal": internal.getsockname()[1]}


def settings_for(directory: Path, **ports: int) -> Settings:
    ports = {**free_ports(), **ports}
    return load_settings(
        data_dir=directory,
        public={"host": "127.0.0.1", "port": ports["public"]},
        internal={"host": "127.0.0.1", "port": ports["internal"]},
        media={"host": "127.0.0.1", "port": ports.get("media", 0), "manage_gc": False},
    )


async def test_the_server_starts_answers_and_stops_without_leaving_a_task(tmp_path: Path) -> None:
    settings = settings_for(tmp_path)
    secrets = load_secrets(settings.secrets_dir)
    async with running(settings, secrets), aiohttp.ClientSession() as http:
        async with http.get(f"http://127.0.0.1:{settings.internal.port}/readyz") as response:
            assert response.status == 200
        async with http.get(f"http://127.0.0.1:{settings.public.port}/robots.txt") as response:
            assert response.status == 200
        async with http.get(f"http://127.0.0.1:{settings.public.port}/readyz") as response:
            assert response.status == 404, "nothing internal on the public port"
        async with http.get(f"http://127.0.0.1:{settings.internal.port}/metrics") as response:
            assert "sightline_connections 0.0" in await response.text()
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize("which", ["public", "internal", "media"])
async def test_a_port_that_is_taken_is_named_and_nothing_keeps_running(tmp_path: Path, which: str) -> None:
    kind = socket.SOCK_DGRAM if which == "media" else socket.SOCK_STREAM
    with socket.socket(socket.AF_INET, kind) as occupant:
        occupant.bind(("127.0.0.1", 0))
        if which != "media":
            occupant.listen()
        settings = settings_for(tmp_path, **{which: occupant.getsockname()[1]})
        with pytest.raises(PortUnavailableError, match=f"SIGHTLINE_{which.upper()}_PORT"):
            async with running(settings, load_secrets(settings.secrets_dir)):
                pass
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize(
    ("url", "origins"),
    [
        ("https://sight.example", ["https://sight.example"]),
        ("http://192.0.2.1:8080", ["http://192.0.2.1:8080"]),
        (
            "http://localhost:8080",
            ["http://localhost:8080", "http://127.0.0.1:8080", "http://[::1]:8080"],
        ),
        ("http://127.0.0.1", ["http://localhost", "http://127.0.0.1", "http://[::1]"]),
    ],
)
def test_pages_may_connect_from_the_public_address_only(url: str, origins: list[str]) -> None:
    assert page_origins(url) == origins
