from __future__ import annotations

import asyncio
from typing import cast

import pytest

from recorder.products import CompositeProduct
from recorder.recording import RecordingStatus
from recorder.service import Recorder
from signalling.errors import (
    AlreadyRecordingError,
    NoPictureError,
    NotRecordingError,
    ParticipantNotFoundError,
    RecordingNotFoundError,
    RecordingOffError,
    StorageFullError,
    UnknownTrackError,
)
from signalling.rooms.recording import Owner
from signalling.rooms.results import RecordingResults
from signalling.store.records import Media, Position, Recording
from tests.support.rooms import Rooms, camera, result_of, sit

# --- photos -----------------------------------------------------------------------------------------------


async def test_a_photo_is_listed_and_shown_to_everybody(rooms: Rooms) -> None:
    room = await rooms.create()
    participant, customer = await sit(room)
    helper, agent = await sit(room, "agent", name="Dr Doe")
    camera(participant)
    media = await room.products.take_snapshot(Owner(helper.name, helper.seat_id))
    assert media.title.startswith("diag_snapshot_")
    assert media.created.timestamp() * 1000 == pytest.approx(int(media.title.rpartition("_")[2]))
    assert (media.owner_name, media.participant_id) == ("Dr Doe", participant.participant_id)
    assert media.path is not None and media.path.startswith("photos/2026/")
    assert customer.named("media-added") == agent.named("media-added")
    assert customer.named("media-added")[0]["id"] == media.id
    assert "location" not in customer.named("media-added")[0]
    assert (await rooms.events(room))[-1] == "media.added"


async def test_a_photo_says_where_the_requester_is_and_only_of_their_camera(rooms: Rooms) -> None:
    room = await rooms.create()
    participant, peer = await sit(room)
    helper, _ = await sit(room, "agent")
    camera(participant, "theirs")
    camera(helper, "ours")
    await room.set_position(Position(48.7, -3.5))
    await room.products.take_snapshot(Owner(None), track_id="theirs")
    await room.products.take_snapshot(Owner(None), track_id="ours")
    locations = [media.get("location") for media in peer.named("media-added")]
    assert locations == [{"lat": 48.7, "lon": -3.5}, None]
    assert [position is None for position in rooms.recorder.positions] == [False, True]


async def test_there_is_nothing_to_take_a_photo_of(rooms: Rooms) -> None:
    room = await rooms.create()
    participant, _ = await sit(room)
    with pytest.raises(NoPictureError):
        await room.products.take_snapshot(Owner(None))
    with pytest.raises(ParticipantNotFoundError):
        await room.products.take_snapshot(Owner(None), participant_id="nobody")
    with pytest.raises(UnknownTrackError):
        await room.products.take_snapshot(Owner(None), track_id="none")
    track = camera(participant)
    rooms.recorder.no_picture = True
    with pytest.raises(NoPictureError):
        await room.products.take_snapshot(Owner(None))
    rooms.recorder.no_picture = False
    participant.on_track_unpublished(track)
    with pytest.raises(NoPictureError):
        await room.products.take_snapshot(Owner(None))
    assert track.sinks == []


# --- recordings -------------------------------------------------------------------------------------------


async def test_a_recording_captures_who_is_there_and_who_comes(rooms: Rooms) -> None:
    room = await rooms.create()
    participant, customer = await sit(room, name="Ada")
    camera(participant, "first")
    recording, media = await room.products.start_recording(Owner("Dr Doe"))
    assert media.title.endswith(f"-{room.record.id}-composite")
    assert len(media.title.partition("-")[0]) == 8
    assert media.filename == f"{media.title}.mp4"
    assert (recording.status, media.status) == ("recording", "recording")
    helper, _ = await sit(room, "agent")
    late = camera(helper, "late")
    room.mute(participant, "first", muted=True)
    capture = rooms.recorder.only
    assert capture.tracks == ["first", "late"]
    helper.on_track_unpublished(late)
    assert capture.tracks == ["first"]
    await room.leave(helper)
    assert [event for event, _ in capture.events] == [
        "participant_joined",
        "participant_joined",
        "track_muted",
        "participant_left",
    ]
    assert customer.named("recording-changed")[0]["status"] == "recording"
    await room.products.stop_recording("requested")
    assert capture.stopped == "requested"
    assert [info["status"] for info in customer.named("recording-changed")] == ["recording", "stopping"]


async def test_who_comes_while_recording_is_told_so(rooms: Rooms) -> None:
    room = await rooms.create()
    await sit(room)
    recording, _ = await room.products.start_recording(Owner(None))
    from signalling.rooms.room import Entrance
    from tests.support.rooms import FakePeer

    _, welcome = await room.join(Entrance(role="agent", token_id="t"), FakePeer())
    assert welcome["recording"]["recordingId"] == recording.recording_id
    assert welcome["medias"][0]["status"] == "recording"


async def test_recordings_that_may_not_be(rooms: Rooms) -> None:
    off = await rooms.create(record="off")
    with pytest.raises(RecordingOffError):
        await off.products.start_recording(Owner(None))
    room = await rooms.create()
    with pytest.raises(NotRecordingError):
        await room.products.stop_recording("requested")
    await room.products.start_recording(Owner(None))
    with pytest.raises(AlreadyRecordingError):
        await room.products.start_recording(Owner(None))
    full = await rooms.create()
    rooms.recorder.disk_low = True
    with pytest.raises(StorageFullError):
        await full.products.start_recording(Owner(None))
    assert await rooms.events(full) == []


async def test_the_api_stops_only_recordings_of_the_room(rooms: Rooms) -> None:
    room, other = await rooms.create(), await rooms.create()
    recording, _ = await rooms.service.start_recording(room.record.conv_id, "api")
    with pytest.raises(RecordingNotFoundError):
        await rooms.service.stop_recording(other.record.conv_id, recording.recording_id)
    stopped, _ = await rooms.service.stop_recording(room.record.conv_id, recording.recording_id)
    assert stopped.status == "stopping"
    with pytest.raises(NotRecordingError):
        await rooms.service.stop_recording(room.record.conv_id, recording.recording_id)


async def test_an_automatic_recording_starts_when_two_are_there(rooms: Rooms) -> None:
    room = await rooms.create(record="auto")
    await sit(room)
    assert rooms.recorder.captures == {}
    await sit(room, "agent")
    while len(rooms.tasks):
        await asyncio.sleep(0)
    assert len(rooms.recorder.captures) == 1


@pytest.mark.parametrize("way", ["leave", "close", "shutdown"])
async def test_a_recording_ends_with_its_session(rooms: Rooms, way: str) -> None:
    room = await rooms.create()
    participant, _ = await sit(room)
    await room.products.start_recording(Owner(None))
    if way == "leave":
        await room.leave(participant)
    elif way == "close":
        await room.close("hang_up")
    else:
        await rooms.service.aclose()
    reasons = {"leave": "everybody_left", "close": "hang_up", "shutdown": "server_shutdown"}
    assert rooms.recorder.only.stopped == reasons[way]


async def test_a_position_found_while_recording_is_the_recordings(rooms: Rooms) -> None:
    room = await rooms.create()
    _, peer = await sit(room)
    _, media = await room.products.start_recording(Owner(None))
    await room.set_position(Position(48.7, -3.5))
    assert rooms.recorder.only.events[-1] == ("position", {"lat": 48.7, "lng": -3.5})
    assert peer.named("media-changed")[-1]["location"] == {"lat": 48.7, "lon": -3.5}
    async with rooms.store.read() as tx:
        listed = await tx.medias.by_id(media.id)
    assert listed is not None and listed.position == Position(48.7, -3.5)


# --- what the recorder reports ----------------------------------------------------------------------------


class Reports:
    """`RecordingResults` at work."""

    def __init__(self, rooms: Rooms) -> None:
        self.results = RecordingResults(rooms.store, rooms.library)
        self._rooms = rooms
        self.told: list[tuple[Recording, Media]] = []

    async def settle(self) -> None:
        """Write everything that was reported."""
        recorder = cast(Recorder, self._rooms.recorder)
        await self.results.catch_up(recorder)
        await self.results.write(recorder, self._on_recording)

    def _on_recording(self, recording: Recording, media: Media) -> None:
        self.told.append((recording, media))
        self._rooms.service.recording_moved_on(recording, media)


COMPOSITE = CompositeProduct("composite.mp4", 4321, "0" * 64, 2_500_000, 62, 1280, 720, 0, 0)


async def test_a_finished_composite_is_listed_with_its_file(rooms: Rooms) -> None:
    room = await rooms.create()
    _, peer = await sit(room)
    recording, _ = await room.products.start_recording(Owner(None))
    await room.products.stop_recording("requested")
    reports = Reports(rooms)
    report = reports.results.on_recording_changed
    report(recording.recording_id, RecordingStatus.QUEUED, None, None)
    await reports.settle()
    report(recording.recording_id, RecordingStatus.PROCESSING, 0.5, None)
    await reports.settle()
    result = result_of(recording.recording_id, RecordingStatus.COMPLETED, composite=COMPOSITE)
    directory = rooms.recorder.directory / "recordings" / "2026" / "01" / "02" / recording.recording_id
    rooms.recorder.results[recording.recording_id] = (result, directory)
    report(recording.recording_id, RecordingStatus.COMPLETED, None, result)
    await reports.settle()
    media = reports.told[-1][1]
    assert media.path == f"recordings/2026/01/02/{recording.recording_id}/composite.mp4"
    assert (media.filesize, media.width, media.height, media.duration_ms) == (4321, 1280, 720, 2500)
    assert [changed["status"] for changed in peer.named("media-changed")] == [
        "stopping",
        "queued",
        "processing",
        "completed",
    ]
    assert peer.named("media-changed")[2]["progress"] == 0.5
    assert (await rooms.events(room))[-2:] == ["recording.stopped", "recording.completed"]


async def test_of_many_reports_the_newest_is_written(rooms: Rooms) -> None:
    room = await rooms.create()
    recording, _ = await room.products.start_recording(Owner(None))
    reports = Reports(rooms)
    for progress in (0.1, 0.2, 0.3):
        reports.results.on_recording_changed(
            recording.recording_id, RecordingStatus.PROCESSING, progress, None
        )
    await reports.settle()
    assert [media.progress for _, media in reports.told] == [0.3]


async def test_a_capture_that_ended_by_itself_is_no_running_recording(rooms: Rooms) -> None:
    room = await rooms.create()
    _, peer = await sit(room)
    recording, _ = await room.products.start_recording(Owner(None))
    reports = Reports(rooms)
    reports.results.on_recording_changed(recording.recording_id, RecordingStatus.STOPPING, None, None)
    await reports.settle()
    assert room.products.recording is None
    assert peer.named("recording-changed")[-1]["status"] == "stopping"
    assert reports.told[-1][0].stop_reason == "interrupted"
    await room.products.start_recording(Owner(None))


async def test_what_ended_while_the_server_was_down_is_written_at_start(rooms: Rooms) -> None:
    room = await rooms.create()
    finished, _ = await room.products.start_recording(Owner(None))
    await room.products.stop_recording("requested")
    lost, _ = await room.products.start_recording(Owner(None))
    result = result_of(finished.recording_id, RecordingStatus.ABORTED, error="empty")
    rooms.recorder.results[finished.recording_id] = (result, rooms.recorder.directory)
    reports = Reports(rooms)
    await reports.settle()
    statuses = {recording.recording_id: recording.status for recording, _ in reports.told}
    assert statuses == {finished.recording_id: "aborted", lost.recording_id: "failed"}


async def test_reports_of_unknown_recordings_do_no_harm(rooms: Rooms) -> None:
    reports = Reports(rooms)
    reports.results.on_recording_changed("unknown", RecordingStatus.QUEUED, None, None)
    await reports.settle()
    assert reports.told == []
