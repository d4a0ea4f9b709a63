"""Rooms through the internal API, on a real socket and a real database."""

import asyncio
import json
import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from signalling.store.records import Position
from tests.integration.api.conftest import Api
from tests.support import internal_server

MEETING = re.compile(r"https://sight\.example/private/([0-9a-f]{32})/([0-9a-f]{32})")


async def test_an_empty_request_creates_an_assistance_room_for_the_next_half_hour(api: Api) -> None:
    room = await api.create()
    assert room["id"] == 1
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", room["convId"])
    assert re.fullmatch(r"[0-9]{6}", room["pwd"])
    assert (room["kind"], room["state"], room["status"]) == ("assistance", "invited", "invited")
    assert room["created"] == room["modified"] == room["start_time"] == "2026-03-29T00:59:30+00:00"
    assert room["end_time"] == "2026-03-29T01:29:30+00:00"
    assert (room["max_participants"], room["record"], room["geolocation"]) == (2, "manual", "optional")
    assert room["requestor_url"] == f"https://sight.example/?convId={room['convId']}&pwd={room['pwd']}"
    assert room["agent_url"].startswith(f"https://sight.example/agent?convId={room['convId']}&token=")
    assert (room["requestor"], room["metadata"], room["enterprise"]) == ({}, {}, 3)
    assert "geoloc" not in room and "room_name" not in room
    assert api.live.changed == [room["convId"]]


async def test_a_room_keeps_what_the_ticketing_backend_told(api: Api) -> None:
    wanted: dict[str, Any] = {
        "reference": "1234",
        "name": "Chaudière",
        "agent": "agent1@example.com",
        "requestor": {"name": "Élise", "email": "elise@example.com", "phone": "+33662682193"},
        "start_time": "2026-03-29T14:00:00+02:00",
        "end_time": "2026-03-29T15:00:00.900+02:00",
        "max_participants": 3,
        "record": "auto",
        "geolocation": "required",
        "terms_url": "https://example.com/terms?x=1#y",
        "max_uploads": 5,
        "language": "fr-FR",
        "metadata": {"deep": [{"x": None}], "n": 1.5},
        "enterprise": 42,
        "service_key": "115f89503138416a242f40fb7d7f338",
    }
    room = await api.create(**wanted)
    expected = wanted | {
        "start_time": "2026-03-29T12:00:00+00:00",
        "end_time": "2026-03-29T13:00:00+00:00",
        "state": "scheduled",
    }
    assert {name: room[name] for name in expected} == expected
    read = await api.call("GET", f"/rooms/{room['convId']}")
    assert {name: read[name] for name in expected} == expected


async def test_a_meeting_has_a_name_a_link_and_a_moderator(api: Api) -> None:
    room = await api.create(kind="meeting", name="TEST", agent="Dr Doe")
    found = MEETING.fullmatch(room["url"])
    assert found
    assert room["room_name"] == f"{found[1]}:{found[2]}"
    assert room["requestor_url"] == room["url"]
    assert room["moderator"] == {"id": None, "name": "Dr Doe"}
    assert room["end_time"] == "2026-03-29T01:59:30+00:00"
    assert (room["state"], room["max_participants"], room["geolocation"]) == ("scheduled", 12, "off")


async def test_the_answer_says_where_the_room_is_and_which_version(api: Api) -> None:
    response = await api.send("POST", "/rooms", json={})
    room = await response.json()
    assert response.headers["Location"] == f"/internal/v1/rooms/{room['convId']}"
    read = await api.send("GET", f"/rooms/{room['convId']}")
    assert read.headers["ETag"] == response.headers["ETag"] == '"1"'


async def test_the_creation_is_the_first_event(api: Api) -> None:
    room = await api.create(reference="r")
    events = await api.call("GET", f"/rooms/{room['convId']}/events")
    assert [(event["seq"], event["type"]) for event in events["data"]] == [(1, "room.created")]
    assert room["pwd"] not in json.dumps(events)


async def test_a_repeated_request_makes_no_second_room(api: Api) -> None:
    options: dict[str, Any] = {"headers": {"Idempotency-Key": "abc"}, "json": {"reference": "1"}}
    first = await api.call("POST", "/rooms", 201, **options)
    again = await api.send("POST", "/rooms", **options)
    assert again.status == 201
    assert again.headers["Idempotency-Replayed"] == "true"
    assert (await again.json())["convId"] == first["convId"]
    assert (await api.call("GET", "/rooms"))["total"] == 1
    assert api.live.changed == [first["convId"]]


async def test_the_same_request_sent_at_once_makes_one_room(api: Api) -> None:
    options: dict[str, Any] = {"headers": {"Idempotency-Key": "abc"}, "json": {}}
    rooms = await asyncio.gather(*(api.call("POST", "/rooms", 201, **options) for _ in range(10)))
    assert len({room["convId"] for room in rooms}) == 1


async def test_a_key_for_another_request_is_refused(api: Api) -> None:
    headers = {"Idempotency-Key": "abc"}
    await api.call("POST", "/rooms", 201, headers=headers, json={"reference": "1"})
    await api.problem(
        "POST", "/rooms", 409, "idempotency_key_reused", headers=headers, json={"reference": "2"}
    )
    await api.problem("POST", "/rooms", 422, "invalid_request", headers={"Idempotency-Key": "a b"}, json={})


async def test_each_answer_has_a_new_agent_token_but_the_same_version(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = await api.create()
    tokens = iter(range(10))
    monkeypatch.setattr(
        internal_server.FakeAgentTokens, "mint", lambda self, conv_id: f"token-{next(tokens)}"
    )
    first = await api.call("GET", f"/rooms/{room['convId']}")
    second = await api.call("GET", f"/rooms/{room['convId']}")
    assert first["agent_url"] != second["agent_url"]
    assert first | {"agent_url": ""} == second | {"agent_url": ""}


async def test_rooms_are_found_as_the_ticketing_backend_asks(api: Api) -> None:
    for number in range(12):
        await api.create(reference="ref12345678" if number % 2 else "other", name=f"Room {number}")
        api.clock.advance(minutes=1)
    answer = await api.call("GET", "/rooms?orderby=date&order=desc&limit=10&reference=ref12345678")
    assert answer["total"] == 6
    assert [room["name"] for room in answer["data"]] == [f"Room {n}" for n in (11, 9, 7, 5, 3, 1)]
    assert len((await api.call("GET", "/rooms"))["data"]) == 10
    page = await api.call("GET", "/rooms?limit=2&offset=10&order=asc")
    assert (page["total"], [room["name"] for room in page["data"]]) == (12, ["Room 10", "Room 11"])
    assert (await api.call("GET", "/rooms", params={"search": "ROOM 1"}))["total"] == 3
    assert (await api.call("GET", "/rooms?state=done"))["total"] == 0
    assert (await api.call("GET", "/rooms?kind=meeting"))["total"] == 0
    # 01:04:30 UTC, with the plus sign escaped, as a space, and as Z
    for since in ("2026-03-29T03:04:30%2B02:00", "2026-03-29T03:04:30+02:00", "2026-03-29T01:04:30Z"):
        assert (await api.call("GET", f"/rooms?since={since}"))["total"] == 7, since
        assert (await api.call("GET", f"/rooms?until={since}"))["total"] == 5, since


async def test_the_position_is_told_once_it_is_known(api: Api) -> None:
    room = await api.create()
    async with api.store.write() as tx:
        await tx.rooms.set_position(room["id"], Position(48.7703337, -3.5149756, accuracy_m=5))
    read = await api.call("GET", f"/rooms/{room['convId']}")
    assert read["geoloc"] == {"lat": 48.7703337, "lng": -3.5149756}


async def test_a_room_is_changed_in_part(api: Api) -> None:
    room = await api.create(reference="old", name="Name", metadata={"a": 1})
    path = f"/rooms/{room['convId']}"
    api.clock.advance(seconds=10)
    changed = await api.call(
        "PATCH", path, json={"reference": "new", "name": None, "end_time": "2026-03-29T03:00:00Z"}
    )
    assert (changed["reference"], changed["name"], changed["metadata"]) == ("new", None, {"a": 1})
    assert changed["end_time"] == "2026-03-29T03:00:00+00:00"
    assert changed["modified"] == "2026-03-29T00:59:40+00:00"
    assert api.live.changed == [room["convId"]] * 2
    events = await api.call("GET", f"{path}/events?after=1")
    assert events["data"][0]["data"] == {"fields": ["end_time", "name", "reference"]}


async def test_a_change_of_what_somebody_else_changed_is_refused(api: Api) -> None:
    path = f"/rooms/{(await api.create())['convId']}"
    first = await api.send("PATCH", path, json={"name": "a"}, headers={"If-Match": '"1"'})
    assert (first.status, first.headers["ETag"]) == (200, '"2"')
    for condition in ('"1"', 'W/"2"', "2", '"1", "3"', "nonsense"):
        await api.problem(
            "PATCH", path, 412, "version_mismatch", json={"name": "b"}, headers={"If-Match": condition}
        )
    for condition in ('"2"', "*", '"7" , "4"'):
        await api.call("PATCH", path, json={"name": "c"}, headers={"If-Match": condition})


async def test_an_empty_change_changes_nothing(api: Api) -> None:
    room = await api.create()
    response = await api.send("PATCH", f"/rooms/{room['convId']}", json={})
    assert response.headers["ETag"] == '"1"'
    assert await response.json() == room


async def test_the_times_of_a_room_that_is_over_cannot_be_changed(api: Api) -> None:
    room = await api.create()
    path = f"/rooms/{room['convId']}"
    await api.call("DELETE", path)
    await api.problem("PATCH", path, 409, "room_ended", json={"end_time": "2026-03-29T05:00:00Z"})
    await api.problem("PATCH", path, 409, "room_ended", json={"record": "off"})
    assert (await api.call("PATCH", path, json={"metadata": {"b": 2}}))["metadata"] == {"b": 2}
    async with api.store.write() as tx:
        await tx.rooms.set_state(room["id"], "expired", expected=("cancelled",))
    await api.problem("PATCH", path, 409, "room_expired", json={"record": "off"})


async def test_closing_tells_the_live_room_why_and_can_be_repeated(api: Api) -> None:
    room = await api.create()
    path = f"/rooms/{room['convId']}"
    api.clock.advance(minutes=3)
    closed = await api.call("DELETE", f"{path}?reason=ticket%20solved")
    assert (closed["state"], closed["end_reason"]) == ("cancelled", "ticket solved")
    assert closed["end_time"] == "2026-03-29T01:02:30+00:00"
    again = await api.call("DELETE", path)
    assert again["end_reason"] == "ticket solved"
    assert api.live.closed == [(room["convId"], "ticket solved")]
    assert (await api.call("GET", path))["state"] == "cancelled"


@pytest.mark.parametrize("conv_id", ["0", "88a2c81a-2b5a-496f-8546-0d7bdde8", "A" * 36, "f" * 37, "%00"])
async def test_an_unknown_room_is_not_found_whatever_its_name_looks_like(api: Api, conv_id: str) -> None:
    for method, suffix in (
        ("GET", ""),
        ("PATCH", ""),
        ("DELETE", ""),
        ("GET", "/participants"),
        ("GET", "/events"),
        ("POST", "/recordings"),
        ("GET", "/recordings"),
        ("GET", "/recordings/1"),
        ("POST", "/recordings/1/stop"),
        ("POST", "/snapshots"),
        ("GET", "/medias"),
        ("GET", "/media"),
    ):
        body = {"json": {}} if method == "PATCH" else {}
        await api.problem(method, f"/rooms/{conv_id}{suffix}", 404, "room_not_found", **body)


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (None, "2026-03-29T00:59:00Z"),
        (None, "2026-03-29T00:59:30Z"),
        ("2026-03-29T02:00:00Z", "2026-03-29T02:00:00Z"),
        ("2026-03-29T00:00:00Z", None),
        ("9999-12-31T23:59:59Z", None),
    ],
    ids=["past", "now", "no time", "over already", "beyond the calendar"],
)
async def test_times_that_do_not_fit_are_refused(api: Api, start: str | None, end: str | None) -> None:
    await api.problem("POST", "/rooms", 409, "times_conflict", json={"start_time": start, "end_time": end})
    assert (await api.call("GET", "/rooms"))["total"] == 0


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"kind": "party"}, "#/kind"),
        ({"kind": None}, "#/kind"),
        ({"reference": "x" * 51}, "#/reference"),
        ({"reference": 1234}, "#/reference"),
        ({"name": "a\x00b"}, "#/name"),
        ({"name": "line\nbreak"}, "#/name"),
        ({"requestor": {"email": "nobody"}}, "#/requestor/email"),
        ({"requestor": {"phone": "call me"}}, "#/requestor/phone"),
        ({"requestor": {"fax": "1"}}, "#/requestor/fax"),
        ({"requestor": []}, "#/requestor"),
        ({"start_time": "2026-03-29T02:00:00"}, "#/start_time"),
        ({"start_time": "2026-03-29"}, "#/start_time"),
        ({"start_time": "2026-02-30T02:00:00Z"}, "#/start_time"),
        ({"start_time": "0001-01-01T00:00:00+23:59"}, "#/start_time"),
        ({"start_time": 1800000000}, "#/start_time"),
        ({"max_participants": 1}, "#/max_participants"),
        ({"max_participants": 51}, "#/max_participants"),
        ({"max_participants": "2"}, "#/max_participants"),
        ({"max_participants": 2.5}, "#/max_participants"),
        ({"max_participants": True}, "#/max_participants"),
        ({"moderation": 0}, "#/moderation"),
        ({"terms_url": "javascript:alert(1)"}, "#/terms_url"),
        ({"terms_url": "https://a b"}, "#/terms_url"),
        ({"terms_url": "https://[::1"}, "#/terms_url"),
        ({"terms_url": "https://user@example.com/"}, "#/terms_url"),
        ({"terms_url": "https://example.com/\u00e9"}, "#/terms_url"),
        ({"language": "français"}, "#/language"),
        ({"metadata": []}, "#/metadata"),
        ({"metadata": {"x": "y" * 65_536}}, "#/metadata"),
        ({"enterprise": 0}, "#/enterprise"),
        ({"service_key": "a/b"}, "#/service_key"),
        ({"webhook_url": "https://example.com/hook"}, "#/webhook_url"),
        ({"a/b~c": 1}, "#/a~1b~0c"),
        ([], "#"),
        ("text", "#"),
    ],
)
async def test_a_wrong_field_is_named(api: Api, body: Any, pointer: str) -> None:
    problem = await api.problem("POST", "/rooms", 422, "invalid_request", json=body)
    assert [fault["pointer"] for fault in problem["errors"]] == [pointer]
    assert (await api.call("GET", "/rooms"))["total"] == 0


async def test_what_is_not_built_yet_is_refused_in_words(api: Api) -> None:
    problem = await api.problem("POST", "/rooms", 422, "invalid_request", json={"moderation": True})
    assert "waiting room is not available" in problem["errors"][0]["detail"]
    wanted = {"webhook_url": "https://example.com/hook"}
    problem = await api.problem("POST", "/rooms", 422, "invalid_request", json=wanted)
    assert "webhooks are not available" in problem["errors"][0]["detail"]


async def test_numbers_that_are_whole_are_whole_however_they_are_written(api: Api) -> None:
    response = await api.send(
        "POST", "/rooms", data=b'{"max_participants": 3.0}', headers={"Content-Type": "application/json"}
    )
    assert (await response.json())["max_participants"] == 3


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=1.0", "limit"),
        ("limit=1_0", "limit"),
        ("limit=", "limit"),
        ("offset=-1", "offset"),
        ("offset=99999999999999999999", "offset"),
        ("order=up", "order"),
        ("orderby=name", "orderby"),
        ("state=open", "state"),
        ("since=yesterday", "since"),
        ("since=1700000000", "since"),
        ("sinse=2026-03-29T00:00:00Z", "sinse"),
        ("limit=1&limit=2", "limit"),
        ("search=" + "x" * 201, "search"),
        ("search=%00", "search"),
    ],
)
async def test_a_wrong_parameter_is_named(api: Api, query: str, name: str) -> None:
    problem = await api.problem("GET", f"/rooms?{query}", 422, "invalid_request")
    assert [fault["pointer"] for fault in problem["errors"]] == [name]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"nonsense",
        b"{'a': 1}",
        b'{"name": "a", "name": "b"}',
        b'{"metadata": {"a": {"b": 1, "b": 2}}}',
        b'{"metadata": {"x": NaN}}',
        b'{"metadata": {"x": -Infinity}}',
        b'{"metadata": {"x": 1e999}}',
        b'{"metadata": {"x": "\\ud800"}}',
        b'{"metadata": {"\\udfff": 1}}',
        b'{"name": "\xff"}',
        b'{"name": "a"} {}',
        b'{"metadata": {"x": ' + b"[" * 100 + b"]" * 100 + b"}}",
        b'{"metadata": ' + b"[" * 100_000,
        b'{"metadata": {"x": 1' + b"0" * 5000 + b"}}",
    ],
    ids=range(16),
)
async def test_json_that_is_not_sound_is_refused(api: Api, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    await api.problem("POST", "/rooms", 400, "malformed_json", data=body, headers=headers)
    assert (await api.call("GET", "/rooms"))["total"] == 0


async def test_a_body_that_is_too_large_is_refused(api: Api) -> None:
    headers = {"Content-Type": "application/json"}
    body = b'{"name": "' + b"x" * 300_000 + b'"}'
    await api.problem("POST", "/rooms", 413, "content_too_large", data=body, headers=headers)


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/xml", "application/json; charset=latin-1", None]
)
async def test_a_body_that_is_not_json_is_refused(api: Api, content_type: str | None) -> None:
    headers = {} if content_type is None else {"Content-Type": content_type}
    await api.problem("POST", "/rooms", 415, "unsupported_media_type", data=b"{}", headers=headers)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=4)
    ),
    max_leaves=12,
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(metadata=st.dictionaries(st.text(st.characters(codec="utf-8")), json_values, max_size=5))
async def test_metadata_comes_back_as_it_was_sent(api: Api, metadata: dict[str, Any]) -> None:
    room = await api.create(metadata=metadata)
    assert (await api.call("GET", f"/rooms/{room['convId']}"))["metadata"] == metadata


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary(max_size=80) | json_values.map(lambda value: json.dumps(value).encode()))
async def test_any_body_is_answered_with_a_room_or_a_problem(api: Api, body: bytes) -> None:
    response = await api.send("POST", "/rooms", data=body, headers={"Content-Type": "application/json"})
    assert response.status in (201, 400, 409, 422)
    assert "code" in await response.json(content_type=None) or response.status == 201


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    start=st.datetimes(datetime(2026, 3, 29, 2), datetime(2036, 1, 1)),
    minutes=st.integers(1, 60 * 24 * 30),
    offset=st.integers(-14 * 60, 14 * 60),
)
async def test_times_with_any_offset_are_the_same_moments(
    api: Api, start: datetime, minutes: int, offset: int
) -> None:
    sign = "-" if offset < 0 else "+"
    suffix = f"{sign}{abs(offset) // 60:02d}:{abs(offset) % 60:02d}"
    end = start + timedelta(minutes=minutes)
    room = await api.create(start_time=start.isoformat() + suffix, end_time=end.isoformat() + suffix)
    utc_start = (start - timedelta(minutes=offset)).replace(microsecond=0)
    assert room["start_time"] == utc_start.isoformat() + "+00:00"
    assert room["end_time"] == (utc_start + timedelta(minutes=minutes)).isoformat() + "+00:00"
