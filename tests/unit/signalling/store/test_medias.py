from datetime import timedelta
from typing import get_args

from recorder.recording import RecordingStatus
from signalling.store import Store
from signalling.store.records import (
    FETCHABLE,
    FINAL,
    MediaStatus,
    NewRecording,
    Position,
    Recording,
    Room,
    moves_forward,
)
from tests.support.store import SettableClock, new_composite, new_photo


async def start(store: Store, room: Room, recording_id: str = "r1") -> Recording:
    async with store.write() as tx:
        media = await tx.medias.add(new_composite(room.id))
        return await tx.recordings.add(
            NewRecording(recording_id=recording_id, room_id=room.id, media_id=media.id, status="starting")
        )


async def test_media_are_listed_newest_first_by_their_capture(
    store: Store, room: Room, clock: SettableClock
) -> None:
    taken = clock.now - timedelta(milliseconds=845)
    async with store.write() as tx:
        second = await tx.medias.add(new_photo(room.id))
        first = await tx.medias.add(new_photo(room.id), created=taken)
        page = await tx.medias.page(room.id)
        assert [item.id for item in page.items] == [second.id, first.id]
        assert [item.id for item in (await tx.medias.page(room.id, newest_first=False)).items] == [
            first.id,
            second.id,
        ]
        assert [item.id for item in (await tx.medias.page(room.id, limit=1, offset=1)).items] == [first.id]
    assert page.total == 2
    assert first.created == taken


async def test_media_of_other_rooms_are_not_listed(store: Store, room: Room) -> None:
    async with store.write() as tx:
        await tx.medias.add(new_photo(room.id))
        assert (await tx.medias.page(room.id + 1)).total == 0


async def test_only_wanted_statuses_are_listed(store: Store, room: Room) -> None:
    async with store.write() as tx:
        photo = await tx.medias.add(new_photo(room.id))
        await tx.medias.add(new_composite(room.id))
        page = await tx.medias.page(room.id, statuses=FETCHABLE)
    assert (page.total, [item.id for item in page.items]) == (1, [photo.id])


async def test_a_medium_is_found_by_its_hash_and_changed_in_part(store: Store, room: Room) -> None:
    async with store.write() as tx:
        photo = await tx.medias.add(new_photo(room.id, position=Position(48.1, -3.5)))
        changed = await tx.medias.update(photo.id, filesize=0, path="a/b.jpg")
    assert (changed.filesize, changed.path, changed.position) == (0, "a/b.jpg", Position(48.1, -3.5))
    async with store.read() as tx:
        assert await tx.medias.by_hash(photo.hash) == changed
        assert await tx.medias.by_hash("0") is None


async def test_a_recording_and_its_media_entry_move_on_together(
    store: Store, room: Room, clock: SettableClock
) -> None:
    recording = await start(store, room)
    stopped_at = clock.advance(seconds=30)
    async with store.write() as tx:
        moved = await tx.recordings.advance("r1", "stopping", stop_reason="hang_up")
    assert moved is not None
    stopped, media = moved
    assert (stopped.status, media.status) == ("stopping", "stopping")
    assert (stopped.stopped, stopped.stop_reason) == (stopped_at, "hang_up")
    assert stopped.started == recording.started
    clock.advance(seconds=1)
    async with store.write() as tx:
        later = await tx.recordings.advance("r1", "failed", stop_reason="crash", error_code="no_space")
    assert later is not None
    assert (later[0].stopped, later[0].stop_reason, later[0].error_code) == (
        stopped_at,
        "hang_up",
        "no_space",
    )


async def test_a_recording_never_goes_back(store: Store, room: Room) -> None:
    await start(store, room)
    async with store.write() as tx:
        assert await tx.recordings.advance("r1", "processing") is not None
        assert await tx.recordings.advance("r1", "queued") is None
        assert await tx.recordings.advance("r1", "processing") is None
        assert await tx.recordings.advance("unknown", "completed") is None
        assert await tx.recordings.advance("r1", "completed") is not None
        assert await tx.recordings.advance("r1", "failed") is None
        recording = await tx.recordings.by_id("r1")
    assert recording is not None
    assert recording.status == "completed"


async def test_a_restart_finds_the_recordings_that_are_not_finished(store: Store, room: Room) -> None:
    for recording_id in ("r1", "r2", "r3"):
        await start(store, room, recording_id)
    async with store.write() as tx:
        await tx.recordings.advance("r2", "aborted")
        await tx.recordings.advance("r3", "processing")
        assert [item.recording_id for item in await tx.recordings.unfinished()] == ["r1", "r3"]
        assert len(await tx.recordings.of_room(room.id)) == 3


def test_statuses_are_those_of_the_recorder_in_its_order() -> None:
    assert list(get_args(MediaStatus)) == [status.value for status in RecordingStatus]


def test_every_pair_of_statuses_moves_forward_or_not() -> None:
    order = list(get_args(MediaStatus))
    for current in order:
        for following in order:
            expected = order.index(following) > order.index(current)
            if current in FINAL and following in FINAL:
                expected = following == "deleted" and current != "deleted"
            assert moves_forward(current, following) is expected, (current, following)
