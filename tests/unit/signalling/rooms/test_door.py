from __future__ import annotations

import asyncio

import pytest

from signalling.access.addresses import ClientKey
from signalling.errors import AccessDeniedError, LockedError, RoomEndedError
from signalling.realtime.protocol import Credentials
from signalling.rooms import door
from signalling.rooms.door import Admission
from tests.support.rooms import Rooms, sit

CLIENT = ClientKey("192.0.2.1")


@pytest.fixture(autouse=True)
def no_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "REFUSAL_S", 0.0)


async def admit(rooms: Rooms, client: ClientKey = CLIENT, **credentials: str) -> Admission:
    return await rooms.door.admit(Credentials(**credentials), client)


async def test_the_password_opens_the_requesters_side(rooms: Rooms) -> None:
    room = await rooms.create(pwd="004217")
    admission = await admit(rooms, conv_id=room.record.conv_id, pwd="004217")
    assert admission == Admission(room, "requester")
    for wrong in ("4217", "004218", "", "0042170", "００４２１７"):
        with pytest.raises(AccessDeniedError):
            await admit(rooms, ClientKey(wrong), conv_id=room.record.conv_id, pwd=wrong)


async def test_a_meeting_is_not_opened_by_a_password(rooms: Rooms) -> None:
    name = f"{'a' * 32}:{'b' * 32}"
    room = await rooms.create(kind="meeting", room_name=name, pwd="004217")
    for pwd in ("004217", door._NO_PASSWORD):
        with pytest.raises(AccessDeniedError):
            await admit(rooms, conv_id=room.record.conv_id, pwd=pwd)
    assert (await admit(rooms, room_name=name)).role == "participant"


async def test_an_unused_agent_token_ends_with_its_time(rooms: Rooms) -> None:
    room = await rooms.create()
    token = rooms.agent_tokens.mint(room.record.conv_id)
    assert (await admit(rooms, conv_id=room.record.conv_id, token=token)).role == "agent"
    rooms.clock.advance(minutes=15)
    with pytest.raises(AccessDeniedError):
        await admit(rooms, conv_id=room.record.conv_id, token=token)


async def test_a_used_agent_token_opens_its_seat_for_the_rooms_life(rooms: Rooms) -> None:
    room = await rooms.create()
    token = rooms.agent_tokens.mint(room.record.conv_id)
    first = await admit(rooms, conv_id=room.record.conv_id, token=token)
    participant, _ = await sit(room, "agent", token_id=first.token_id)
    rooms.clock.advance(minutes=20)
    again = await admit(rooms, conv_id=room.record.conv_id, token=token)
    same, _ = await sit(room, "agent", token_id=again.token_id)
    assert same is participant
    await room.leave(participant)
    assert (await admit(rooms, conv_id=room.record.conv_id, token=token)).token_id == first.token_id
    await rooms.new_service().start()
    await admit(rooms, conv_id=room.record.conv_id, token=token)


async def test_a_token_opens_no_other_room(rooms: Rooms) -> None:
    room, other = await rooms.create(), await rooms.create()
    token = rooms.agent_tokens.mint(other.record.conv_id)
    with pytest.raises(AccessDeniedError):
        await admit(rooms, conv_id=room.record.conv_id, token=token)
    seated, _ = await sit(other)
    resume = rooms.resume_tokens.mint(other.record.conv_id, seated.participant_id)
    with pytest.raises(AccessDeniedError):
        await admit(rooms, conv_id=room.record.conv_id, resume_token=resume)


async def test_a_room_that_is_over_says_so_to_good_credentials_only(rooms: Rooms) -> None:
    room = await rooms.create(pwd="004217")
    await room.close("closed")
    with pytest.raises(RoomEndedError):
        await admit(rooms, conv_id=room.record.conv_id, pwd="004217")
    with pytest.raises(AccessDeniedError):
        await admit(rooms, conv_id=room.record.conv_id, pwd="004218")


async def test_a_locked_client_is_not_told_whether_it_is_right(rooms: Rooms) -> None:
    room = await rooms.create(pwd="004217")
    for _ in range(4):
        with pytest.raises(AccessDeniedError):
            await admit(rooms, conv_id=room.record.conv_id, pwd="111111")
    with pytest.raises(LockedError):
        await admit(rooms, conv_id=room.record.conv_id, pwd="111111")
    with pytest.raises(LockedError):
        await admit(rooms, conv_id=room.record.conv_id, pwd="004217")
    await admit(rooms, ClientKey("192.0.2.2"), conv_id=room.record.conv_id, pwd="004217")


async def test_a_seated_requester_comes_back_while_the_client_is_locked(rooms: Rooms) -> None:
    room = await rooms.create(pwd="004217")
    participant, _ = await sit(room)
    for _ in range(5):
        with pytest.raises((AccessDeniedError, LockedError)):
            await admit(rooms, conv_id=room.record.conv_id, pwd="111111")
    resume = rooms.resume_tokens.mint(room.record.conv_id, participant.participant_id)
    admission = await admit(rooms, conv_id=room.record.conv_id, resume_token=resume)
    assert admission.participant_id == participant.participant_id


async def test_guesses_made_at_once_get_no_further_than_in_a_row(rooms: Rooms) -> None:
    room = await rooms.create(pwd="004217")
    guesses = [admit(rooms, conv_id=room.record.conv_id, pwd=f"1{n:05d}") for n in range(50)]
    answers = await asyncio.gather(*guesses, return_exceptions=True)
    assert [type(answer) for answer in answers].count(AccessDeniedError) == 4
    assert [type(answer) for answer in answers].count(LockedError) == 46
