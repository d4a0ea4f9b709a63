"""Coming in: who may, who may not, and what is said to those who may not."""

from __future__ import annotations

import asyncio
import statistics
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.raw_socketio import raw_client
from tests.support.server import SightlineServer
from tests.support.session_peer import CONSENT, RefusedError, SessionPeer, agent, peer, requester

pytestmark = pytest.mark.asyncio(loop_scope="module")

UNKNOWN = "00000000-0000-4000-8000-000000000000"


async def refusal(someone: SessionPeer, event: str, payload: Any = None) -> str:
    with pytest.raises(RefusedError) as refused:
        await someone.call(event, payload)
    return refused.value.code


async def refused_join(server: SightlineServer, credentials: dict[str, Any], **more: Any) -> str:
    async with peer(server.public_url) as someone:
        return await refusal(someone, "join", {**credentials, "consent": CONSENT, **more})


def wrong(room: dict[str, Any]) -> dict[str, Any]:
    credentials = requester(room)
    return credentials | {"pwd": f"{(int(credentials['pwd']) + 1) % 1_000_000:06d}"}


async def test_a_requester_looks_up_and_joins(server: SightlineServer) -> None:
    room = await server.create_room(reference="case 7", agent="Dr Doe", terms_url="https://example.com/terms")
    async with peer(server.public_url) as customer:
        found = await customer.call("lookup", requester(room))
        assert found["role"] == "requester"
        assert found["name"] is None
        assert found["room"] == {
            "convId": room["convId"],
            "kind": "assistance",
            "name": None,
            "state": "invited",
            "reference": "case 7",
            "agentName": "Dr Doe",
            "geolocation": room["geolocation"],
            "record": room["record"],
            "termsUrl": "https://example.com/terms",
            "language": None,
            "startTime": room["start_time"].replace("+00:00", ".000+00:00"),
            "endTime": room["end_time"].replace("+00:00", ".000+00:00"),
        }
        joined = await customer.join(requester(room), consent=CONSENT, name="  Ada  ")
        assert joined["role"] == "requester"
        assert joined["room"]["state"] == "ongoing"
        assert joined["participants"] == [
            {
                "participantId": joined["participantId"],
                "role": "requester",
                "name": "Ada",
                "connection": "new",
                "tracks": [],
            }
        ]
        assert (joined["recording"], joined["medias"], joined["iceServers"]) == (None, [], [])
        assert room["pwd"] not in str(joined)
    read = await server.call("GET", f"/rooms/{room['convId']}")
    assert read["state"] == "ongoing"


async def test_requester_and_agent_learn_of_each_other(server: SightlineServer) -> None:
    room = await server.create_room()
    async with peer(server.public_url) as customer, peer(server.public_url) as helper:
        await customer.join(requester(room), consent=CONSENT)
        joined = await helper.join(agent(room), name="Helper")
        assert [p["role"] for p in joined["participants"]] == ["requester", "agent"]
        assert (await customer.event("participant-joined"))["participantId"] == joined["participantId"]
        people = await server.call("GET", f"/rooms/{room['convId']}/participants")
        assert [person["role"] for person in people["data"]] == ["requester", "agent"]
        await helper.call("leave")
        left = await customer.event("participant-left")
        assert left == {"participantId": joined["participantId"], "reason": "left"}
        await helper.until(lambda: not helper.connected)


async def test_wrong_password_and_unknown_room_get_one_answer_and_the_connection_ends(
    server: SightlineServer,
) -> None:
    room = await server.create_room()
    answers = []
    for credentials in (
        wrong(room),
        {"convId": UNKNOWN, "pwd": "123456"},
        {"convId": "x", "pwd": "not six digits"},
    ):
        for event in ("lookup", "join"):
            async with raw_client(server.public_url) as client:
                answers.append(await client.call(event, credentials))
                assert await client.frames_until_closed(5) == ["41", "1"]
    assert all(answer == answers[0] for answer in answers)
    assert answers[0]["error"]["code"] == "access_denied"


async def test_refusals_take_the_same_time(server: SightlineServer) -> None:
    room = await server.create_room()
    times: dict[str, list[float]] = {"wrong": [], "unknown": []}
    for n in range(4):
        for name, credentials in (
            ("wrong", wrong(room)),
            ("unknown", {"convId": UNKNOWN[:-1] + str(n), "pwd": "123456"}),
        ):
            async with raw_client(server.public_url) as client:
                started = time.monotonic()
                await client.call("lookup", credentials)
                times[name].append(time.monotonic() - started)
    assert min(times["wrong"] + times["unknown"]) >= 0.1
    assert abs(statistics.median(times["wrong"]) - statistics.median(times["unknown"])) < 0.02


async def test_the_fifth_wrong_password_locks_and_a_seated_requester_stays(server: SightlineServer) -> None:
    room = await server.create_room()
    async with peer(server.public_url) as customer:
        joined = await customer.join(requester(room), consent=CONSENT)
        codes = [await refused_join(server, wrong(room)) for _ in range(6)]
        assert codes == ["access_denied"] * 4 + ["locked"] * 2
        assert await refused_join(server, requester(room)) == "locked", "the right one is not looked at"
        await customer.call("position", {"lat": 1, "lng": 2})
        async with peer(server.public_url) as again:
            resumed = await again.join({"convId": room["convId"], "resumeToken": joined["resumeToken"]})
            assert resumed["participantId"] == joined["participantId"]
    async with peer(server.public_url) as helper:
        await helper.join(agent(room))
    assert await refused_join(server, {"convId": UNKNOWN, "pwd": "000000"}) == "access_denied"


async def test_an_unknown_room_locks_like_a_known_one(server: SightlineServer) -> None:
    credentials = {"convId": "11111111-0000-4000-8000-000000000000", "pwd": "123456"}
    codes = [await refused_join(server, credentials) for _ in range(6)]
    assert codes == ["access_denied"] * 4 + ["locked"] * 2


async def test_one_connection_tries_one_password(server: SightlineServer) -> None:
    room = await server.create_room()
    async with raw_client(server.public_url) as client:
        for n in range(30):
            await client.send(f'42{n}["lookup",{{"convId":"{room["convId"]}","pwd":"{n:06d}"}}]')
        frames = await client.frames_until_closed(5)
    assert len([frame for frame in frames if frame.startswith("43")]) == 1


async def test_consent_comes_first(server: SightlineServer) -> None:
    room = await server.create_room()
    async with peer(server.public_url) as customer:
        assert await refusal(customer, "join", requester(room)) == "consent_required"
        refused = {"accepted": False, "version": "1"}
        assert await refusal(customer, "join", {**requester(room), "consent": refused}) == "invalid_message"
        await customer.join(requester(room), consent=CONSENT)


async def test_a_required_position_is_required(server: SightlineServer) -> None:
    room = await server.create_room(geolocation="required")
    async with peer(server.public_url) as customer:
        for answer in ({}, {"geolocation": "denied"}, {"geolocation": "unavailable"}):
            payload = {**requester(room), "consent": CONSENT, **answer}
            assert await refusal(customer, "join", payload) == "position_required"
        await customer.join(requester(room), consent=CONSENT, geolocation="granted")


async def test_a_full_room_and_a_second_agent(server: SightlineServer) -> None:
    room = await server.create_room()
    async with peer(server.public_url) as customer, peer(server.public_url) as helper:
        await customer.join(requester(room), consent=CONSENT)
        await helper.join(agent(room))
        async with peer(server.public_url) as third:
            assert await refusal(third, "join", {**requester(room), "consent": CONSENT}) == "room_full"
            other_link = await server.call("GET", f"/rooms/{room['convId']}")
            assert agent(other_link) != agent(room)
            assert await refusal(third, "join", agent(other_link)) == "agent_present"
            assert third.connected, "these credentials are right"


async def test_the_same_agent_link_takes_the_seat_over(server: SightlineServer) -> None:
    room = await server.create_room()
    async with peer(server.public_url) as first, peer(server.public_url) as second:
        one = await first.join(agent(room))
        two = await second.join(agent(room))
        assert one["participantId"] == two["participantId"]
        await first.event("replaced")
        await first.until(lambda: not first.connected)
        assert second.connected


async def test_a_lost_connection_holds_the_seat(server: SightlineServer) -> None:
    room = await server.create_room()
    async with peer(server.public_url) as customer, peer(server.public_url) as helper:
        joined = await customer.join(requester(room), consent=CONSENT, name="Ada")
        await helper.join(agent(room))
        await customer.drop()
        await helper.event("participant-changed", lambda p: p["connection"] == "away")
        async with peer(server.public_url) as back:
            credentials = {"convId": room["convId"], "resumeToken": joined["resumeToken"]}
            resumed = await back.join(credentials)
            assert resumed["participantId"] == joined["participantId"]
            assert resumed["participants"][0]["name"] == "Ada"
            await helper.event("participant-changed", lambda p: p["connection"] == "new")
            await back.drop()
            await helper.until(lambda: len(helper.named("participant-changed")) >= 3)
        async with peer(server.public_url) as reopened:
            again = await reopened.join(requester(room), consent=CONSENT)
            assert again["participantId"] == joined["participantId"], "the link retakes an away seat"


async def test_a_resume_token_opens_only_its_own_seat_while_it_is_held(server: SightlineServer) -> None:
    room, other = await server.create_room(), await server.create_room()
    async with peer(server.public_url) as customer:
        joined = await customer.join(requester(room), consent=CONSENT)
        token = joined["resumeToken"]
        assert (
            await refused_join(server, {"convId": other["convId"], "resumeToken": token}) == "access_denied"
        )
        assert (
            await refused_join(server, {"convId": room["convId"], "resumeToken": token[:-4]})
            == "access_denied"
        )
        await customer.call("leave")
    assert await refused_join(server, {"convId": room["convId"], "resumeToken": token}) == "access_denied"


async def test_agent_tokens_are_for_their_room(server: SightlineServer) -> None:
    room, other = await server.create_room(), await server.create_room()
    token = agent(other)["token"]
    assert await refused_join(server, {"convId": room["convId"], "token": token}) == "access_denied"
    assert await refused_join(server, {"convId": room["convId"], "token": "x"}) == "access_denied"


async def test_a_closed_room_says_so_only_to_those_with_the_link(server: SightlineServer) -> None:
    room = await server.create_room()
    async with peer(server.public_url) as customer:
        await customer.join(requester(room), consent=CONSENT)
        await server.call("DELETE", f"/rooms/{room['convId']}?reason=solved")
        assert await customer.event("ended") == {"reason": "closed"}
        await customer.until(lambda: not customer.connected)
    assert await refused_join(server, requester(room)) == "room_ended"
    assert await refused_join(server, wrong(room)) == "access_denied"
    read = await server.call("GET", f"/rooms/{room['convId']}")
    assert (read["state"], read["end_reason"]) == ("done", "solved")


async def test_a_room_whose_time_is_over_ends_and_says_so(server: SightlineServer) -> None:
    def soon(seconds: float) -> str:
        return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat(timespec="seconds")

    visited, unvisited = (
        await server.create_room(end_time=soon(4)),
        await server.create_room(end_time=soon(4)),
    )
    async with peer(server.public_url) as customer:
        await customer.join(requester(visited), consent=CONSENT)
        warning = await customer.event("room-ending", timeout_s=5)
        assert 0 < warning["secondsLeft"] <= 4
        assert await customer.event("ended", timeout_s=8) == {"reason": "end_time"}
    for room, state in ((visited, "done"), (unvisited, "expired")):
        async with asyncio.timeout(10):
            while (await server.call("GET", f"/rooms/{room['convId']}"))["state"] != state:
                await asyncio.sleep(0.1)
        assert await refused_join(server, requester(room)) == "room_expired"


async def test_events_before_join_and_a_second_join(server: SightlineServer) -> None:
    room = await server.create_room()
    async with peer(server.public_url) as someone:
        for event, payload in (
            ("negotiate", {"sdp": "v=0", "publications": [], "subscriptions": []}),
            ("mute", {"trackId": "x", "muted": True}),
            ("position", {"lat": 0, "lng": 0}),
            ("snapshot", {}),
            ("recording-start", {}),
            ("recording-stop", {}),
            ("leave", {}),
        ):
            assert await refusal(someone, event, payload) == "not_joined"
        await someone.join(requester(room), consent=CONSENT)
        assert await refusal(someone, "join", {**requester(room), "consent": CONSENT}) == "already_joined"
        assert await refusal(someone, "lookup", requester(room)) == "already_joined"


async def test_events_of_another_role(server: SightlineServer) -> None:
    room = await server.create_room()
    async with peer(server.public_url) as customer, peer(server.public_url) as helper:
        await customer.join(requester(room), consent=CONSENT)
        await helper.join(agent(room))
        for event, payload in (
            ("snapshot", {}),
            ("recording-start", {}),
            ("recording-stop", {}),
            ("leave", {"end": True}),
        ):
            assert await refusal(customer, event, payload) == "forbidden"
        assert await refusal(helper, "position", {"lat": 0, "lng": 0}) == "forbidden"


async def test_a_room_without_positions_takes_none(server: SightlineServer) -> None:
    room = await server.create_room(geolocation="off")
    async with peer(server.public_url) as customer:
        await customer.join(requester(room), consent=CONSENT)
        assert await refusal(customer, "position", {"lat": 1, "lng": 2}) == "forbidden"
    assert (await server.call("GET", f"/rooms/{room['convId']}")).get("geoloc") is None


async def test_messages_that_do_not_fit(server: SightlineServer) -> None:
    room = await server.create_room()
    async with peer(server.public_url) as customer:
        await customer.join(requester(room), consent=CONSENT)
        for event, payload in (
            ("position", {"lat": 91, "lng": 0}),
            ("position", {"lat": "48.7", "lng": 0}),
            ("position", {"lat": 1}),
            ("mute", {"trackId": "x"}),
            ("mute", {"trackId": "x", "muted": 1}),
            ("mute", {"trackId": "x", "muted": True, "extra": 1}),
            ("negotiate", {"sdp": "x" * 60_000, "publications": [], "subscriptions": []}),
            (
                "negotiate",
                {"sdp": "v=0", "publications": [{"mid": "0", "source": "tv"}], "subscriptions": []},
            ),
            ("leave", [1, 2]),
            ("leave", "now"),
        ):
            assert await refusal(customer, event, payload) == "invalid_message"
        assert await refusal(customer, "make-coffee", {}) == "unknown_event"
        assert await refusal(customer, "connect", {}) == "unknown_event"


async def test_meetings_are_joined_by_name(server: SightlineServer) -> None:
    room = await server.create_room(kind="meeting")
    async with (
        peer(server.public_url) as one,
        peer(server.public_url) as two,
        peer(server.public_url) as three,
    ):
        joined = await one.join({"roomName": room["room_name"]}, name="One")
        assert joined["role"] == "participant"
        assert joined["room"]["kind"] == "meeting"
        await two.join({"roomName": room["room_name"]}, name="Two")
        assert (await one.event("participant-joined"))["name"] == "Two"
        assert (await three.join(agent(room)))["role"] == "moderator"
        await three.call("leave", {"end": True})
        assert await one.event("ended") == {"reason": "hang_up"}
    assert await refused_join(server, {"roomName": f"{'0' * 32}:{'0' * 32}"}) == "access_denied"


async def test_no_secret_is_logged(server: SightlineServer) -> None:
    """Last in this module: the log holds all of the above."""
    room = await server.create_room(reference="canary")
    async with peer(server.public_url) as customer:
        joined = await customer.join(requester(room), consent=CONSENT, name="Canary Name")
    await asyncio.sleep(0.1)
    text = server.log()
    for secret in (
        room["pwd"],
        agent(room)["token"],
        joined["resumeToken"],
        room["convId"] + "&",
        "Canary Name",
        "sig=",
        "pwd",
    ):
        assert secret not in text, secret


async def test_who_the_ticket_names_is_known_before_and_after_joining(server: SightlineServer) -> None:
    room = await server.create_room(requestor={"name": "Ada"})
    async with peer(server.public_url) as customer:
        assert (await customer.call("lookup", requester(room)))["name"] == "Ada"
        joined = await customer.join(requester(room), consent=CONSENT)
        assert [participant["name"] for participant in joined["participants"]] == ["Ada"]
