"""A whole session over real sockets and real media: call, photo, recording, products."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiohttp
import pytest

from tests.support.server import SightlineServer
from tests.support.session_peer import call_of_two

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_call_with_photo_and_recording(server: SightlineServer, tmp_path: Path) -> None:
    room = await server.create_room(agent="Dr Doe", reference="case 1")
    async with call_of_two(server.public_url, room) as (customer, helper):
        await customer.call("position", {"lat": 48.7611333, "lng": -3.4669605, "accuracyM": 12})
        started = await helper.call("recording-start")
        assert (await customer.event("recording-changed"))["status"] == "recording"
        await asyncio.sleep(2)
        photo = (await helper.call("snapshot"))["media"]
        assert await customer.event("media-added", lambda media: media["id"] == photo["id"]) == photo
        await asyncio.sleep(1)
        stopped = await helper.call("recording-stop")
        assert stopped["recording"]["recordingId"] == started["recording"]["recordingId"]
        assert (await customer.event("recording-changed", lambda r: r["status"] == "stopping")) is not None
        await helper.call("leave", {"end": True})
        assert (await customer.event("ended")) == {"reason": "hang_up"}
    video = await server.completed_recording(room["convId"])
    await server.download(video["url"], tmp_path / "video.mp4")
    await server.download(photo["url"], tmp_path / "photo.jpg")
    print(
        video,
        photo,
        (tmp_path / "video.mp4").stat(),
        await server.call("GET", f"/rooms/{room['convId']}/events"),
    )
    async with aiohttp.ClientSession() as stranger, stranger.get(photo["url"].partition("?")[0]) as response:
        assert response.status == 403
