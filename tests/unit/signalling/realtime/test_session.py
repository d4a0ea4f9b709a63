from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest

from signalling.access.addresses import ClientKey
from signalling.realtime import session as session_module
from signalling.realtime.server import Connection
from signalling.realtime.session import Session
from signalling.rooms import door
from signalling.rooms.room import LiveRoom
from tests.support.rooms import FakePeer, Rooms, rooms_on, sit

CONSENT = {"accepted": True, "version": "v1"}


class FakeConnection(FakePeer):
    client = ClientKey("192.0.2.1")
    user_agent = ""


class Client:
    """A session and the answers it gave."""

    def __init__(self, rooms: Rooms) -> None:
        self.connection = FakeConnection()
        self._tasks = rooms.tasks
        self.session = Session(
            cast(Connection, self.connection),
            door=rooms.door,
            links=rooms.links,
            tasks=rooms.tasks,
        )

    def post(self, event: str, *args: Any) -> asyncio.Future[dict[str, Any]]:
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self.session.on_event(event, args, answer.set_result)
        return answer

    async def call(self, event: str, *args: Any) -> dict[str, Any]:
        return await asyncio.wait_for(self.post(event, *args), 5)

    async def code(self, event: str, *args: Any) -> str:
        return str((await self.call(event, *args))["error"]["code"])

    async def end(self) -> None:
        """The connection is gone and everything that came on it is handled."""
        self.session.on_closed()
        async with asyncio.timeout(5):
            while len(self._tasks):
                await asyncio.sleep(0)


@pytest.fixture
async def rooms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Rooms]:
    monkeypatch.setattr(door, "REFUSAL_S", 0.0)
    async with rooms_on(tmp_path) as rooms:
        yield rooms


def ticket(room: LiveRoom) -> dict[str, Any]:
    return {"convId": room.record.conv_id, "pwd": room.record.pwd, "consent": CONSENT}


async def test_events_are_handled_in_the_order_sent(rooms: Rooms) -> None:
    room = await rooms.create()
    client = Client(rooms)
    answers = [
        client.post("leave", {}),
        client.post("join", ticket(room)),
        client.post("position", {"lat": 1, "lng": 2}),
        client.post("leave", {}),
        client.post("position", {"lat": 1, "lng": 2}),
    ]
    results = [await asyncio.wait_for(answer, 5) for answer in answers]
    codes = [result.get("error", {}).get("code") for result in results]
    assert codes == ["not_joined", None, None, None, "not_joined"]


async def test_a_full_mailbox_answers_rate_limited(rooms: Rooms) -> None:
    client = Client(rooms)
    answers = [client.post("leave", {}) for _ in range(100)]
    codes = [(await asyncio.wait_for(answer, 5))["error"]["code"] for answer in answers]
    assert codes.count("not_joined") >= 64
    assert codes.count("rate_limited") >= 30


async def test_what_was_sent_before_the_connection_ended_is_still_done(rooms: Rooms) -> None:
    room = await rooms.create()
    client = Client(rooms)
    await client.call("join", ticket(room))
    client.post("leave", {})
    await client.end()
    assert len(room.people) == 0


async def test_nobody_sits_down_after_the_connection_ended(rooms: Rooms) -> None:
    room = await rooms.create()
    client = Client(rooms)
    client.post("join", ticket(room))
    await client.end()
    assert len(room.people) == 0


async def test_the_end_of_a_connection_leaves_the_seat_away(rooms: Rooms) -> None:
    room = await rooms.create()
    client = Client(rooms)
    await client.call("join", ticket(room))
    await client.end()
    [participant] = room.people
    assert participant.connection == "away"


async def test_a_replaced_connection_can_do_nothing_more(rooms: Rooms) -> None:
    room = await rooms.create()
    first, second = Client(rooms), Client(rooms)
    joined = await first.call("join", ticket(room))
    await second.call("join", {"convId": room.record.conv_id, "resumeToken": joined["resumeToken"]})
    assert first.connection.sent[-1] == ("replaced", {})
    assert await first.code("position", {"lat": 1, "lng": 2}) == "not_joined"
    assert await second.call("position", {"lat": 1, "lng": 2}) == {}


async def test_hanging_up_is_answered_before_the_end(rooms: Rooms) -> None:
    room = await rooms.create()
    token = rooms.agent_tokens.mint(room.record.conv_id)
    client = Client(rooms)
    await client.call("join", {"convId": room.record.conv_id, "token": token})
    seen: list[str] = []
    client.connection.close = lambda: seen.append("closed")  # type: ignore[method-assign]
    client.session.on_event("leave", [{"end": True}], lambda _: seen.append("answered"))
    await client.end()
    assert seen == ["answered", "closed"]


async def test_our_own_faults_are_told_by_a_request_id_only(
    rooms: Rooms, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> None:
        raise RuntimeError("a detail of ours")

    room = await rooms.create()
    client = Client(rooms)
    await client.call("join", ticket(room))
    monkeypatch.setattr(LiveRoom, "set_position", broken)
    answer = (await client.call("position", {"lat": 1, "lng": 2}))["error"]
    assert answer["code"] == "internal"
    assert "detail" not in answer["message"]
    assert not client.connection.closed
    assert await client.call("leave", {}) == {}


async def test_a_connection_that_does_not_join_is_closed(
    rooms: Rooms, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_module, "JOIN_TIMEOUT_S", 1.0)
    room = await rooms.create()
    idle, reading, joined = Client(rooms), Client(rooms), Client(rooms)
    lookup = {key: value for key, value in ticket(room).items() if key != "consent"}
    await reading.call("lookup", lookup)
    await joined.call("join", ticket(room))
    await asyncio.sleep(1.05)
    assert idle.connection.closed
    assert not reading.connection.closed, "somebody who reads the terms has more time"
    assert not joined.connection.closed


async def test_who_reads_for_too_long_is_closed(rooms: Rooms, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_module, "LOOKUP_TIMEOUT_S", 0.01)
    room = await rooms.create()
    client = Client(rooms)
    await client.call("lookup", {"convId": room.record.conv_id, "pwd": room.record.pwd})
    await asyncio.sleep(0.05)
    assert client.connection.closed


async def test_a_refused_password_closes_the_connection_but_a_full_room_does_not(rooms: Rooms) -> None:
    room = await rooms.create()
    await sit(room)
    full, wrong = Client(rooms), Client(rooms)
    assert await full.code("join", ticket(room)) == "room_full"
    assert not full.connection.closed
    assert await wrong.code("join", ticket(room) | {"pwd": "999999"}) == "access_denied"
    assert wrong.connection.closed


@pytest.mark.parametrize(
    ("event", "args", "code"),
    [
        ("no-such-event", [{}], "unknown_event"),
        ("__init__", [{}], "unknown_event"),
        ("leave", [{}, {}], "invalid_message"),
        ("leave", ["x"], "invalid_message"),
        ("leave", [], "not_joined"),
    ],
)
async def test_events_that_are_none(rooms: Rooms, event: str, args: list[Any], code: str) -> None:
    assert await Client(rooms).code(event, *args) == code
