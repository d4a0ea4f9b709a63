"""A whole session over real sockets and real media: call, photo, recording, products."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiohttp
import pytest

from tests.support.server import SightlineServer
from tests.support.session_peer import CONSENT, RefusedError, call_of_two, peer, requester, subscribe_to

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_call_with_photo_and_recording(server: SightlineServer, tmp_path: Path) -> None:
    room = await server.create_room(agent="Dr Doe", reference="case 1")
    conv_id = room["convId"]
    async with call_of_two(server.public_url, room) as (customer, helper):
        await customer.call("position", {"lat": 48.7611333, "lng": -3.4669605, "accuracyM": 12})
        started = await helper.call("recording-start")
        assert (await customer.event("recording-changed"))["status"] == "recording"
        await asyncio.sleep(2)
        photo = (await helper.call("snapshot"))["media"]
        assert await customer.event("media-added", lambda media: media["id"] == photo["id"]) == photo
        assert photo["location"] == {"lat": 48.7611333, "lon": -3.4669605}
        from_api = await server.call("POST", f"/rooms/{conv_id}/snapshots", expect=201, json={})
        await customer.event("media-added", lambda media: media["id"] == from_api["id"])
        stopped = await helper.call("recording-stop")
        assert stopped["recording"]["recordingId"] == started["recording"]["recordingId"]
        await customer.event("recording-changed", lambda recording: recording["status"] == "stopping")
        await helper.call("leave", {"end": True})
        assert await customer.event("ended") == {"reason": "hang_up"}
    video = await server.completed_recording(conv_id)
    assert video["title"].endswith(f"-{room['id']}-composite")
    assert video["geoloc"] == {"lat": 48.7611333, "lng": -3.4669605}
    file = await server.download(video["url"], tmp_path / "video.mp4")
    assert file.stat().st_size == video["filesize"]
    assert file.read_bytes()[4:8] == b"ftyp"
    picture = await server.download(photo["url"], tmp_path / "photo.jpg")
    assert picture.read_bytes()[:2] == b"\xff\xd8"
    assert len(await server.medias(conv_id)) == 3
    async with aiohttp.ClientSession() as stranger:
        async with stranger.get(photo["url"].partition("?")[0]) as response:
            assert response.status == 403
        async with stranger.get(video["url"], headers={"Range": "bytes=4-7"}) as response:
            assert (response.status, await response.read()) == (206, b"ftyp")
    events = await server.call("GET", f"/rooms/{conv_id}/events")
    assert [event["type"] for event in events["data"]] == [
        "room.created",
        "room.ongoing",
        "participant.joined",
        "participant.joined",
        "position.changed",
        "recording.started",
        "media.added",
        "media.added",
        "recording.stopped",
        "participant.left",
        "participant.left",
        "room.done",
        "recording.completed",
    ]
    left = next(event for event in events["data"] if event["type"] == "participant.left")
    assert left["data"]["in_call_s"] > 2
    assert (await server.call("GET", f"/rooms/{conv_id}"))["geoloc"] == {"lat": 48.7611333, "lng": -3.4669605}


async def test_the_ticketing_backend_records_and_takes_photos(server: SightlineServer) -> None:
    room = await server.create_room()
    conv_id = room["convId"]
    await server.call("POST", f"/rooms/{conv_id}/snapshots", expect=409, json={})
    async with call_of_two(server.public_url, room) as (customer, _):
        entry = await server.call("POST", f"/rooms/{conv_id}/recordings", expect=201)
        assert entry["status"] == "recording"
        await server.call("POST", f"/rooms/{conv_id}/recordings", expect=409)
        await customer.event("recording-changed", lambda recording: recording["status"] == "recording")
        people = (await server.call("GET", f"/rooms/{conv_id}/participants"))["data"]
        assert [person["connection"] for person in people] == ["connected", "connected"]
        assert [len(person["tracks"]) for person in people] == [2, 2]
        await asyncio.sleep(1)
        await server.call("DELETE", f"/rooms/{conv_id}?reason=solved")
        assert await customer.event("ended") == {"reason": "closed"}
    video = await server.completed_recording(conv_id)
    assert video["hash"] == entry["hash"]
    assert video["url"].partition("?")[0] == entry["url"].partition("?")[0]


async def test_mute_and_leave_are_seen(server: SightlineServer) -> None:
    room = await server.create_room()
    async with call_of_two(server.public_url, room) as (customer, helper):
        mine = next(t for t in customer.named("track-published") if t["kind"] == "audio")
        assert mine["participantId"] == customer.joined["participantId"], "one learns of one's own tracks"
        await customer.call("mute", {"trackId": mine["trackId"], "muted": True})
        muted = await helper.event("track-muted")
        assert (muted["trackId"], muted["muted"]) == (mine["trackId"], True)
        with pytest.raises(RefusedError, match="unknown_track"):
            await helper.call("mute", {"trackId": mine["trackId"], "muted": False})
        await customer.publish()  # a new peer connection replaces the former one, and its tracks
        await helper.event("track-unpublished", lambda gone: gone["trackId"] == mine["trackId"])
        await subscribe_to(helper, customer)
        await customer.call("leave")
        assert (await helper.event("participant-left"))["reason"] == "left"


async def test_long_polling_carries_the_protocol_too(server: SightlineServer) -> None:
    room = await server.create_room()
    async with peer(server.public_url, transport="polling") as customer:
        await customer.join(requester(room), consent=CONSENT)
        async with peer(server.public_url, transport="polling") as stranger:
            with pytest.raises(RefusedError, match="access_denied"):
                await stranger.join({"convId": room["convId"], "pwd": "no"}, consent=CONSENT)
            await stranger.until(lambda: not stranger.connected)
        await server.call("DELETE", f"/rooms/{room['convId']}")
        assert await customer.event("ended") == {"reason": "closed"}
