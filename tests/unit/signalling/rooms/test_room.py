from __future__ import annotations

from datetime import timedelta

import pytest

from signalling.errors import (
    AccessDeniedError,
    RoomEndedError,
    RoomExpiredError,
    RoomFullError,
    UnknownTrackError,
)
from signalling.realtime.protocol import Negotiate
from signalling.rooms.room import Entrance
from signalling.store.records import RoomChange
from tests.support.rooms import FakePeer, Rooms, camera, sit

# --- states -----------------------------------------------------------------------------------------------


async def test_the_first_person_makes_a_room_ongoing(rooms: Rooms) -> None:
    room = await rooms.create()
    await sit(room)
    assert (await rooms.stored(room)).state == "ongoing"
    assert await rooms.events(room) == ["room.ongoing", "participant.joined"]


async def test_a_scheduled_room_opens_at_its_time(rooms: Rooms) -> None:
    start = rooms.clock.now + timedelta(minutes=10)
    room = await rooms.create(state="scheduled", start_time=start, end_time=start + timedelta(minutes=30))
    await rooms.pass_time(room, minutes=9)
    assert (await rooms.stored(room)).state == "scheduled"
    await rooms.pass_time(room, minutes=1)
    assert (await rooms.stored(room)).state == "invited"
    assert await rooms.events(room) == ["room.invited"]


async def test_who_comes_early_is_let_in(rooms: Rooms) -> None:
    start = rooms.clock.now + timedelta(minutes=10)
    room = await rooms.create(state="scheduled", start_time=start, end_time=start + timedelta(minutes=30))
    await sit(room)
    assert (await rooms.stored(room)).state == "ongoing"


async def test_a_room_that_nobody_came_to_expires(rooms: Rooms) -> None:
    room = await rooms.create()
    await rooms.pass_time(room, minutes=30)
    stored = await rooms.stored(room)
    assert (stored.state, stored.end_reason) == ("expired", "expired")
    with pytest.raises(RoomExpiredError):
        await rooms.service.find(room.record.conv_id)


async def test_people_are_warned_and_then_the_session_ends_at_its_scheduled_time(rooms: Rooms) -> None:
    room = await rooms.create()
    end = room.record.end_time
    _, peer = await sit(room)
    await rooms.pass_time(room, minutes=25)
    await rooms.pass_time(room, minutes=4)
    assert [warning["secondsLeft"] for warning in peer.named("room-ending")] == [300, 60]
    await rooms.pass_time(room, minutes=3)
    assert peer.sent[-1] == ("ended", {"reason": "end_time"})
    assert peer.closed
    stored = await rooms.stored(room)
    assert (stored.state, stored.end_time, stored.end_reason) == ("done", end, "end_time")
    with pytest.raises(RoomExpiredError):
        await sit(room)


async def test_hanging_up_writes_the_real_end(rooms: Rooms) -> None:
    room = await rooms.create()
    _, customer = await sit(room)
    await sit(room, "agent")
    await rooms.pass_time(room, minutes=7)
    await room.close("hang_up")
    stored = await rooms.stored(room)
    assert (stored.state, stored.end_time, stored.end_reason) == ("done", rooms.clock.now, "hang_up")
    assert customer.sent[-1] == ("ended", {"reason": "hang_up"})
    with pytest.raises(RoomEndedError):
        await rooms.service.find(room.record.conv_id)
    assert (await rooms.events(room))[-3:] == ["participant.left", "participant.left", "room.done"]


async def test_a_room_closed_before_anybody_came_is_cancelled(rooms: Rooms) -> None:
    room = await rooms.create()
    await rooms.service.close(room.record.conv_id, "not needed")
    await rooms.service.close(room.record.conv_id, "again")
    stored = await rooms.stored(room)
    assert (stored.state, stored.end_reason) == ("cancelled", "not needed")


async def test_moving_the_end_moves_the_end(rooms: Rooms) -> None:
    room = await rooms.create()
    _, peer = await sit(room)
    async with rooms.store.write() as tx:
        change = RoomChange(end_time=rooms.clock.now + timedelta(hours=2))
        record = await tx.rooms.change(room.record.id, change, expected_version=None)
    await rooms.service.room_changed(record)
    await rooms.pass_time(room, minutes=40)
    assert not peer.closed
    await rooms.pass_time(room, minutes=90)
    assert peer.closed


async def test_an_old_version_of_the_room_changes_nothing(rooms: Rooms) -> None:
    room = await rooms.create()
    old = room.record
    await sit(room)
    await rooms.service.room_changed(old)
    assert room.record.state == "ongoing"


async def test_closing_leaves_no_media_behind(rooms: Rooms) -> None:
    room = await rooms.create()
    participant, _ = await sit(room)
    offer = Negotiate(sdp="offer", publications=(), subscriptions=())
    assert await room.negotiate(participant, offer) == "answer to offer"
    assert rooms.media.open == {room.record.conv_id, participant.participant_id}
    await room.leave(participant)
    assert rooms.media.open == {room.record.conv_id}
    await room.close("hang_up")
    assert rooms.media.open == set()


# --- seats ------------------------------------------------------------------------------------------------


async def test_a_lost_connection_holds_the_seat_for_two_minutes(rooms: Rooms) -> None:
    room = await rooms.create()
    participant, peer = await sit(room)
    _, other = await sit(room, "agent")
    room.connection_lost(participant, peer)
    assert other.named("participant-changed")[-1]["connection"] == "away"
    await rooms.pass_time(room, seconds=119)
    back = FakePeer()
    same, welcome = await room.join(
        Entrance(role="requester", participant_id=participant.participant_id), back
    )
    assert same is participant
    assert welcome["participantId"] == participant.participant_id
    assert other.named("participant-changed")[-1]["connection"] == "new"
    await rooms.pass_time(room, minutes=5)
    assert other.named("participant-left") == []


async def test_a_seat_is_freed_after_two_minutes(rooms: Rooms) -> None:
    room = await rooms.create()
    participant, peer = await sit(room)
    _, other = await sit(room, "agent")
    room.connection_lost(participant, peer)
    await rooms.pass_time(room, seconds=120)
    assert other.named("participant-left") == [
        {"participantId": participant.participant_id, "reason": "timeout"}
    ]
    with pytest.raises(AccessDeniedError):
        await room.join(Entrance(role="requester", participant_id=participant.participant_id), FakePeer())
    await sit(room)


async def test_the_end_of_a_replaced_connection_is_not_the_end_of_the_new_one(rooms: Rooms) -> None:
    room = await rooms.create()
    participant, first = await sit(room, "agent")
    same, second = await sit(room, "agent")
    assert same is participant
    assert first.sent[-1] == ("replaced", {})
    assert first.closed
    room.connection_lost(participant, first)
    assert participant.connection == "new"
    room.connection_lost(participant, second)
    assert participant.connection == "away"


async def test_a_silent_device_can_be_replaced_by_opening_the_link_again(rooms: Rooms) -> None:
    room = await rooms.create()
    participant, peer = await sit(room)
    with pytest.raises(RoomFullError):
        await sit(room)
    participant.on_connection_state("connected")
    participant.on_connection_state("interrupted")
    same, _ = await sit(room)
    assert same is participant
    assert peer.closed


async def test_the_store_keeps_time_in_call_and_device(rooms: Rooms) -> None:
    room = await rooms.create()
    browser = "Mozilla/5.0 (X11; Linux x86_64) (KHTML, like Gecko) Chrome/140.0.0.0"
    participant, _ = await sit(room, user_agent=browser, consent_version="v1", geolocation="denied")
    participant.on_connection_state("connected")
    await rooms.pass_time(room, seconds=30)
    participant.on_connection_state("interrupted")
    await rooms.pass_time(room, seconds=10)
    participant.on_connection_state("connected")
    await rooms.pass_time(room, seconds=5)
    await room.leave(participant)
    async with rooms.store.read() as tx:
        seat = await tx.seats.by_participant(participant.participant_id)
    assert seat is not None
    assert seat.in_call_s == pytest.approx(35)
    assert (seat.os, seat.browser, seat.leave_reason) == ("Linux", "Chrome 140", "left")
    assert (seat.consent_version, seat.geolocation) == ("v1", "denied")


async def test_after_a_restart_seats_are_held_and_the_list_is_there(rooms: Rooms) -> None:
    room = await rooms.create()
    participant, _ = await sit(room, name="Ada")
    camera(participant)
    media = await rooms.service.take_snapshot(room.record.conv_id, None)
    await rooms.new_service().start()
    again = await rooms.service.find(room.record.conv_id)
    assert again is not None and again is not room
    entrance = Entrance(role="requester", participant_id=participant.participant_id)
    _, welcome = await again.join(entrance, FakePeer())
    assert welcome["participants"][0]["name"] == "Ada"
    assert [listed["id"] for listed in welcome["medias"]] == [media.id]


async def test_after_a_restart_a_seat_nobody_comes_back_to_is_freed(rooms: Rooms) -> None:
    room = await rooms.create()
    await sit(room)
    await rooms.new_service().start()
    again = await rooms.service.find(room.record.conv_id)
    assert again is not None
    await rooms.pass_time(again, seconds=120)
    assert len(again.people) == 0
    assert (await rooms.stored(room)).state == "ongoing"


async def test_a_room_whose_end_passed_while_the_server_was_down_ends_at_that_time(rooms: Rooms) -> None:
    room = await rooms.create()
    await sit(room)
    end = room.record.end_time
    await rooms.service.aclose()
    rooms.clock.advance(hours=5)
    await rooms.new_service().start()
    again = await rooms.service.find(room.record.conv_id)
    assert again is not None
    await again.check_deadlines()
    stored = await rooms.stored(room)
    assert (stored.state, stored.end_time) == ("done", end)


# --- what people are told ---------------------------------------------------------------------------------


async def test_tracks_are_announced_to_everybody_and_mute_to_the_others(rooms: Rooms) -> None:
    room = await rooms.create()
    participant, own = await sit(room)
    _, other = await sit(room, "agent")
    track = camera(participant)
    info = {
        "trackId": "camera",
        "participantId": participant.participant_id,
        "kind": "video",
        "source": "camera",
        "muted": False,
    }
    assert other.named("track-published") == [info]
    assert own.named("track-published") == [info], "this is how the publisher learns the trackId"
    room.mute(participant, "camera", muted=True)
    room.mute(participant, "camera", muted=True)
    assert other.named("track-muted") == [
        {"trackId": "camera", "participantId": participant.participant_id, "muted": True}
    ]
    assert participant.info().tracks[0].muted
    participant.on_track_unpublished(track)
    assert other.named("track-unpublished") == [
        {"trackId": "camera", "participantId": participant.participant_id}
    ]
    assert own.named("track-muted") == []


async def test_only_ones_own_tracks_can_be_muted(rooms: Rooms) -> None:
    room = await rooms.create()
    participant, _ = await sit(room)
    other, _ = await sit(room, "agent")
    camera(participant)
    with pytest.raises(UnknownTrackError):
        room.mute(other, "camera", muted=True)


async def test_a_position_is_kept_and_told_to_the_ticketing_backend(rooms: Rooms) -> None:
    from signalling.store.records import Position

    room = await rooms.create()
    await sit(room)
    await room.set_position(Position(48.7, -3.5, accuracy_m=10))
    assert (await rooms.stored(room)).position == Position(48.7, -3.5, accuracy_m=10)
    assert (await rooms.events(room))[-1] == "position.changed"


async def test_time_in_call_survives_a_restart_and_mostly_a_crash(rooms: Rooms) -> None:
    async def stored_s() -> float:
        async with rooms.store.read() as tx:
            seat = await tx.seats.by_participant(participant.participant_id)
        assert seat is not None
        return seat.in_call_s

    room = await rooms.create()
    participant, _ = await sit(room)
    participant.on_connection_state("connected")
    await rooms.pass_time(room, seconds=60)
    assert await stored_s() == pytest.approx(60), "written each time the room is looked at"
    rooms.now_s += 5
    await rooms.service.aclose()
    assert await stored_s() == pytest.approx(65)
    await rooms.new_service().start()
    again = await rooms.service.find(room.record.conv_id)
    assert again is not None
    [back] = again.people
    back.on_connection_state("connected")
    await rooms.pass_time(again, seconds=10)
    await again.leave(back)
    assert await stored_s() == pytest.approx(75)


async def test_an_offer_after_the_end_is_refused(rooms: Rooms) -> None:
    room = await rooms.create()
    participant, _ = await sit(room)
    await room.close("hang_up")
    with pytest.raises(RoomEndedError):
        await room.negotiate(participant, Negotiate(sdp="offer", publications=(), subscriptions=()))
