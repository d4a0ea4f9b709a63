"""Recordings, photos and both media lists through the internal API."""

from datetime import UTC, datetime
from typing import Any

import pytest

from signalling.errors import StorageFullError
from signalling.internal_api.live import LiveParticipant, LiveTrack
from signalling.store.records import Position
from tests.integration.api.conftest import Api
from tests.support.store import new_composite, new_photo, new_seat

POSITION = Position(lat=48.7703337, lng=-3.5149756)

TICKET_KEYS = {"id", "title", "type", "hash", "description", "source_type", "url"}
CONFERENCE_KEYS = {
    "id",
    "hash",
    "created",
    "owner",
    "title",
    "description",
    "filename",
    "status",
    "media_type",
    "url",
    "filesize",
    "source_type",
    "metadata",
}


def present(api: Api, room: Any) -> LiveParticipant:
    someone = LiveParticipant(
        participant_id="11111111-0000-4000-8000-000000000000",
        role="requester",
        name="Customer",
        connection="connected",
        joined=datetime(2026, 3, 29, 1, 0, 5, tzinfo=UTC),
        tracks=[LiveTrack(track_id="t1", kind="video", source="camera", muted=False)],
    )
    api.live.present[room["convId"]] = [someone]
    return someone


async def test_a_started_recording_is_answered_with_its_final_address(api: Api) -> None:
    room = await api.create()
    response = await api.send("POST", f"/rooms/{room['convId']}/recordings")
    assert response.status == 201
    entry = await response.json()
    assert entry["status"] == "recording"
    assert entry["url"].startswith(f"https://sight.example/media/showVideo/3/hash/{entry['hash']}?")
    assert (entry["media_type"], entry["type"], entry["source_type"]) == ("video", "video/mp4", "conf_record")
    assert (entry["stopped"], entry["filesize"]) == (None, None)
    location = response.headers["Location"].removeprefix("/internal/v1")
    assert await api.call("GET", location) == entry


async def test_a_recording_is_stopped_once(api: Api) -> None:
    room = await api.create()
    path = f"/rooms/{room['convId']}/recordings"
    entry = await api.call("POST", path, 201)
    await api.problem("POST", path, 409, "already_recording")
    api.clock.advance(seconds=68)
    stopped = await api.call("POST", f"{path}/{entry['recording_id']}/stop")
    assert (stopped["status"], stopped["stop_reason"]) == ("stopping", "api")
    assert (stopped["started"], stopped["stopped"]) == (
        "2026-03-29T00:59:30+00:00",
        "2026-03-29T01:00:38+00:00",
    )
    await api.problem("POST", f"{path}/{entry['recording_id']}/stop", 409, "not_recording")
    listed = await api.call("GET", path)
    assert (listed["total"], listed["data"]) == (1, [stopped])


async def test_a_recording_of_another_room_is_not_found(api: Api) -> None:
    room, other = await api.create(), await api.create()
    entry = await api.call("POST", f"/rooms/{room['convId']}/recordings", 201)
    path = f"/rooms/{other['convId']}/recordings/{entry['recording_id']}"
    await api.problem("GET", path, 404, "recording_not_found")
    await api.problem("POST", f"{path}/stop", 404, "recording_not_found")
    await api.problem("GET", f"/rooms/{room['convId']}/recordings/%00", 404, "recording_not_found")


async def test_a_room_may_refuse_to_be_recorded(api: Api) -> None:
    room = await api.create(record="off")
    await api.problem("POST", f"/rooms/{room['convId']}/recordings", 409, "recording_off")


async def test_a_full_disk_is_told_as_such(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: Any, **__: Any) -> None:
        raise StorageFullError

    room = await api.create()
    monkeypatch.setattr(api.live, "start_recording", fail)
    await api.problem("POST", f"/rooms/{room['convId']}/recordings", 507, "storage_full")


async def test_a_room_that_is_over_is_neither_recorded_nor_photographed(api: Api) -> None:
    room = await api.create()
    await api.call("DELETE", f"/rooms/{room['convId']}")
    await api.problem("POST", f"/rooms/{room['convId']}/recordings", 409, "room_ended")
    await api.problem("POST", f"/rooms/{room['convId']}/snapshots", 409, "room_ended")


async def test_a_photo_is_answered_with_its_media_entry(api: Api) -> None:
    room = await api.create()
    path = f"/rooms/{room['convId']}/snapshots"
    await api.problem("POST", path, 409, "no_picture")
    someone = present(api, room)
    for body in ({}, {"json": {}}, {"json": {"participant_id": someone.participant_id}}):
        entry = await api.call("POST", path, 201, **body)
        assert (entry["media_type"], entry["status"]) == ("image", "completed")
        assert entry["title"] == "diag_snapshot_1677103206155"
    await api.problem("POST", path, 409, "participant_not_found", json={"participant_id": "somebody"})
    await api.problem("POST", path, 422, "invalid_request", json={"participant_id": 1})


async def test_both_lists_show_the_same_photo_each_in_its_shape(api: Api) -> None:
    room = await api.create()
    async with api.store.write() as tx:
        photo = await tx.medias.add(
            new_photo(room["id"], position=POSITION, filesize=2_270_386, owner_id=None, owner_name="Dr Doe")
        )
    tickets = await api.call("GET", f"/rooms/{room['convId']}/medias")
    assert (tickets["limit"], tickets["offset"], tickets["count"]) == (10, 0, 1)
    (ticket,) = tickets["medias"]
    assert ticket.keys() == TICKET_KEYS | {"location"}
    assert ticket["location"] == {"lat": 48.7703337, "lon": -3.5149756}
    assert (ticket["id"], ticket["type"], ticket["source_type"]) == (photo.id, "image/jpeg", "unknown")

    conference = await api.call("GET", f"/rooms/{room['convId']}/media")
    assert conference["total"] == 1
    (entry,) = conference["data"]
    assert entry.keys() == CONFERENCE_KEYS | {"geoloc"}
    assert entry["geoloc"] == entry["metadata"]["geoloc"] == {"lat": 48.7703337, "lng": -3.5149756}
    assert entry["owner"] == {"id": None, "name": "Dr Doe"}
    assert entry["created"] == "2026-03-29T00:59:30+00:00"
    assert entry["filesize"] == 2_270_386
    assert (ticket["hash"], ticket["url"]) == (entry["hash"], entry["url"])


async def test_without_a_position_its_key_is_absent(api: Api) -> None:
    room = await api.create()
    async with api.store.write() as tx:
        await tx.medias.add(new_photo(room["id"]))
    (ticket,) = (await api.call("GET", f"/rooms/{room['convId']}/medias"))["medias"]
    (entry,) = (await api.call("GET", f"/rooms/{room['convId']}/media"))["data"]
    assert ticket.keys() == TICKET_KEYS
    assert entry.keys() == CONFERENCE_KEYS
    assert (entry["metadata"], entry["owner"]) == ({}, None)


async def test_what_is_still_being_made_is_in_the_conference_list_only(api: Api) -> None:
    room = await api.create()
    async with api.store.write() as tx:
        media = await tx.medias.add(new_composite(room["id"], status="processing"))
        await tx.medias.update(media.id, progress=0.25)
    assert (await api.call("GET", f"/rooms/{room['convId']}/medias"))["count"] == 0
    (entry,) = (await api.call("GET", f"/rooms/{room['convId']}/media"))["data"]
    assert (entry["status"], entry["progress"]) == ("processing", 0.25)
    async with api.store.write() as tx:
        await tx.medias.update(media.id, status="completed", progress=1.0, filesize=9)
    (ticket,) = (await api.call("GET", f"/rooms/{room['convId']}/medias"))["medias"]
    assert ticket["title"] == "0YW553BN-1-composite"
    (entry,) = (await api.call("GET", f"/rooms/{room['convId']}/media"))["data"]
    assert "progress" not in entry


async def test_media_lists_are_paged_newest_first(api: Api) -> None:
    room = await api.create()
    async with api.store.write() as tx:
        ids = [(await tx.medias.add(new_photo(room["id"]))).id for _ in range(5)]
    page = await api.call("GET", f"/rooms/{room['convId']}/medias?limit=2&offset=1")
    assert [media["id"] for media in page["medias"]] == [ids[3], ids[2]]
    assert (page["count"], page["limit"], page["offset"]) == (5, 2, 1)
    media = await api.call("GET", f"/rooms/{room['convId']}/media?limit=2&orderby=date&order=asc")
    assert [item["id"] for item in media["data"]] == ids[:2]


async def test_participants_are_told_with_their_tracks_and_devices(api: Api) -> None:
    room = await api.create()
    assert await api.call("GET", f"/rooms/{room['convId']}/participants") == {"total": 0, "data": []}
    someone = present(api, room)
    async with api.store.write() as tx:
        await tx.seats.add(
            new_seat(
                room["id"],
                participant_id=someone.participant_id,
                device="Pixel 9",
                os="Android 16",
                browser="Chrome 140",
            )
        )
    answer = await api.call("GET", f"/rooms/{room['convId']}/participants")
    assert answer == {
        "total": 1,
        "data": [
            {
                "participant_id": someone.participant_id,
                "role": "requester",
                "name": "Customer",
                "connection": "connected",
                "joined": "2026-03-29T01:00:05+00:00",
                "tracks": [{"track_id": "t1", "kind": "video", "source": "camera", "muted": False}],
                "device": "Pixel 9",
                "os": "Android 16",
                "browser": "Chrome 140",
            }
        ],
    }


async def test_events_are_read_from_where_one_stopped(api: Api) -> None:
    room = await api.create(reference="1234")
    api.clock.advance(milliseconds=877)
    async with api.store.write() as tx:
        for number in range(3):
            await tx.events.append(room["id"], "tick", {"n": number})
    path = f"/rooms/{room['convId']}/events"
    page = await api.call("GET", f"{path}?after=1&limit=2")
    assert [event["seq"] for event in page["data"]] == [2, 3]
    assert page["data"][0] == {
        "seq": 2,
        "type": "tick",
        "time": "2026-03-29T00:59:31.000+00:00",
        "convId": room["convId"],
        "reference": "1234",
        "data": {"n": 0},
    }
    rest = await api.call("GET", f"{path}?after={page['last_seq']}")
    assert [event["data"]["n"] for event in rest["data"]] == [2]
    assert await api.call("GET", f"{path}?after=4") == {"data": [], "last_seq": 4}
