"""The server dies, or is stopped, in the middle of a session, and starts again on the same data."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.support.server import running_server
from tests.support.session_peer import CONSENT, SessionPeer, call_of_two, peer, requester, subscribe_to


async def back(url: str, conv_id: str, token: str) -> SessionPeer:
    someone = SessionPeer(url)
    await someone.connect()
    await someone.join({"convId": conv_id, "resumeToken": token})
    return someone


@pytest.mark.parametrize("way", ["kill", "stop"])
async def test_seats_recording_and_photos_survive(tmp_path: Path, way: str) -> None:
    async with running_server(tmp_path) as server:
        room = await server.create_room()
        async with call_of_two(server.public_url, room) as (customer, helper):
            await helper.call("recording-start")
            await asyncio.sleep(1.5)
            photo = (await helper.call("snapshot"))["media"]
            await asyncio.sleep(1)
            seats = [(p.joined["participantId"], p.joined["resumeToken"]) for p in (customer, helper)]
            await (server.kill() if way == "kill" else server.stop())
            for someone in (customer, helper):
                await someone.until(lambda someone=someone: not someone.connected, 20)  # type: ignore[misc]
                assert someone.named("ended") == [], "a restart ends no session"
        await server.start()

        assert (await server.call("GET", f"/rooms/{room['convId']}"))["state"] == "ongoing"
        again = [await back(server.public_url, room["convId"], token) for _, token in seats]
        try:
            for someone, (participant_id, _) in zip(again, seats, strict=True):
                assert someone.joined["participantId"] == participant_id
                assert photo["id"] in [media["id"] for media in someone.joined["medias"]]
                assert someone.joined["recording"] is None
                await someone.publish()
            await subscribe_to(again[0], again[1])
            await again[0].until(lambda: again[0].frames["video"] > 0, 15)
            video = await server.completed_recording(room["convId"])
            await server.download(video["url"], tmp_path / "composite.mp4")
            await again[0].event("media-changed", lambda media: media["status"] == "completed")
            await again[1].call("leave", {"end": True})
            await again[0].event("ended")
        finally:
            for someone in again:
                await someone.aclose()


async def test_a_seat_that_nobody_comes_back_to_is_freed(tmp_path: Path) -> None:
    async with running_server(tmp_path, SIGHTLINE_SESSION_SEAT_HOLD_S="10") as server:
        room = await server.create_room(max_participants=3)
        async with peer(server.public_url) as customer:
            await customer.join(requester(room), consent=CONSENT)
            await server.kill()
        await server.start()
        async with peer(server.public_url) as other:
            joined = await other.join(requester(room), consent=CONSENT)
            assert [p["connection"] for p in joined["participants"]] == ["away", "new"]
            left = await other.event("participant-left", timeout_s=15)
            assert left["reason"] == "timeout"
