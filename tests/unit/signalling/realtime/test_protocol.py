from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signalling.errors import InvalidMessageError
from signalling.realtime.protocol import (
    CLIENT_EVENTS,
    Join,
    Leave,
    Lookup,
    MediaInfo,
    Message,
    Mute,
    Negotiate,
    Position,
    RecordingStart,
    TakeSnapshot,
    parse_message,
)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=20,
)
FIELDS = (
    "convId pwd token roomName resumeToken name consent geolocation sdp publications subscriptions mid "
    "source trackId muted lat lng end accuracyM"
)
field_names = st.sampled_from(FIELDS.split())
models = st.sampled_from(sorted(CLIENT_EVENTS))


@given(models, json_values | st.dictionaries(field_names, json_values, max_size=6))
def test_any_payload_is_a_message_or_refused(event: str, payload: Any) -> None:
    model = CLIENT_EVENTS[event]
    try:
        message = parse_message(model, payload)
    except InvalidMessageError as error:
        assert len(error.message) <= 310
    else:
        assert isinstance(message, model)
        json.dumps(message.wire(), allow_nan=False)


names = st.text(st.characters(min_codepoint=32, exclude_characters="\x7f"), max_size=100)
tokens = st.text(min_size=1, max_size=100)
credentials = st.one_of(
    st.fixed_dictionaries({"convId": tokens.map(lambda t: t[:64]), "pwd": st.from_regex(r"\A[0-9]{6}\Z")}),
    st.fixed_dictionaries({"convId": tokens.map(lambda t: t[:64]), "token": tokens}),
    st.fixed_dictionaries({"convId": tokens.map(lambda t: t[:64]), "resumeToken": tokens}),
    st.fixed_dictionaries({"roomName": tokens}),
)
joins = st.builds(
    lambda who, more: who | more,
    credentials,
    st.fixed_dictionaries(
        {},
        optional={
            "name": names,
            "consent": st.fixed_dictionaries({"accepted": st.just(True), "version": st.just("v1")}),
            "geolocation": st.sampled_from(["granted", "denied", "unavailable"]),
        },
    ),
)


@given(joins)
def test_every_join_of_the_protocol_is_understood(payload: dict[str, Any]) -> None:
    message = parse_message(Join, payload)
    assert isinstance(message, Join)
    for key, value in payload.items():
        if key not in ("name", "consent"):
            assert message.wire()[key] == value


@given(st.floats(-90, 90), st.floats(-180, 180))
def test_every_position_on_earth_is_one(lat: float, lng: float) -> None:
    position = parse_message(Position, {"lat": lat, "lng": lng})
    assert isinstance(position, Position)
    assert (position.lat, position.lng) == (lat, lng)


@pytest.mark.parametrize(
    ("model", "payload", "place"),
    [
        (Lookup, {}, "payload"),
        (Lookup, {"convId": "x"}, "payload"),
        (Lookup, {"pwd": "123456"}, "payload"),
        (Lookup, {"convId": "x", "pwd": "1", "token": "t"}, "payload"),
        (Lookup, {"convId": "x", "roomName": "r"}, "payload"),
        (Lookup, {"convId": "x" * 65, "pwd": "1"}, "convId"),
        (Lookup, {"convId": "", "pwd": "1"}, "convId"),
        (Lookup, {"convId": "x", "pwd": 123456}, "pwd"),
        (Lookup, {"convId": "x", "pwd": "1", "name": "a name is for join"}, "name"),
        (Join, {"roomName": "r", "name": "x" * 101}, "name"),
        (Join, {"roomName": "r", "name": "two\nlines"}, "name"),
        (Join, {"roomName": "r", "consent": {"accepted": False, "version": "1"}}, "consent.accepted"),
        (Join, {"roomName": "r", "consent": {"accepted": True}}, "consent.version"),
        (Join, {"roomName": "r", "geolocation": "maybe"}, "geolocation"),
        (Negotiate, {"sdp": "", "publications": [], "subscriptions": []}, "sdp"),
        (Negotiate, {"sdp": "x" * 49153, "publications": [], "subscriptions": []}, "sdp"),
        (Negotiate, {"sdp": "v=0"}, "publications"),
        (
            Negotiate,
            {"sdp": "v=0", "publications": [{"mid": "0", "source": "radio"}], "subscriptions": []},
            "publications.0.source",
        ),
        (
            Negotiate,
            {"sdp": "v=0", "publications": [], "subscriptions": [{"mid": "0", "trackId": "t"}] * 2},
            "payload",
        ),
        (
            Negotiate,
            {
                "sdp": "v=0",
                "publications": [],
                "subscriptions": [{"mid": str(n), "trackId": "t"} for n in range(33)],
            },
            "subscriptions",
        ),
        (Mute, {"trackId": "t", "muted": "true"}, "muted"),
        (Position, {"lat": 90.1, "lng": 0}, "lat"),
        (Position, {"lat": float("nan"), "lng": 0}, "lat"),
        (Position, {"lat": 0, "lng": float("inf")}, "lng"),
        (Position, {"lat": True, "lng": 0}, "lat"),
        (Position, {"lat": 0, "lng": 0, "accuracyM": -1}, "accuracyM"),
        (TakeSnapshot, {"trackId": ""}, "trackId"),
        (RecordingStart, {"mode": "fast"}, "mode"),
        (Leave, {"end": 1}, "end"),
        (Leave, None, "payload"),
        (Leave, [], "payload"),
    ],
)
def test_what_is_wrong_is_named(model: Any, payload: Any, place: str) -> None:
    with pytest.raises(InvalidMessageError) as refused:
        parse_message(model, payload)
    assert refused.value.message.startswith(f"{place}: ")


def test_a_refusal_does_not_repeat_what_was_sent() -> None:
    with pytest.raises(InvalidMessageError) as refused:
        parse_message(Lookup, {"convId": "x", "pwd": ["secret"]})
    assert "secret" not in refused.value.message


def test_what_is_absent_is_left_out_and_what_is_null_is_not() -> None:
    media = MediaInfo(id=1, hash="h", title="t", type="image/jpeg", status="completed", url="u", created="c")
    assert set(media.wire()) == {"id", "hash", "title", "type", "status", "url", "created"}


def test_every_message_refuses_unknown_fields() -> None:
    def subclasses(model: type[Message]) -> list[type[Message]]:
        return [model, *(found for child in model.__subclasses__() for found in subclasses(child))]

    for model in subclasses(Message):
        assert model.model_config["extra"] == "forbid"
