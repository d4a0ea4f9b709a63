from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

from signalling.store.records import Room
from tests.support.internal_server import fake_links
from tests.support.store import new_room

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def stored(**changes: object) -> Room:
    new = new_room(NOW, **changes)
    values = {name: getattr(new, name) for name in type(new).__dataclass_fields__}
    return Room(**values, id=1, created=NOW, modified=NOW, version=1)


def test_the_requesters_link_is_the_one_that_integrations_know() -> None:
    room = stored(pwd="004217")
    assert fake_links().requestor(room) == f"https://sight.example/?convId={room.conv_id}&pwd=004217"


def test_the_agents_link_has_a_token_of_that_room() -> None:
    room = stored()
    parts = urlsplit(fake_links().agent(room))
    assert parts.path == "/agent"
    assert parse_qs(parts.query) == {"convId": [room.conv_id], "token": [f"token-of-{room.conv_id}"]}


def test_everybody_enters_a_meeting_by_its_link() -> None:
    room = stored(kind="meeting", room_name="a" * 32 + ":" + "b" * 32)
    expected = "https://sight.example/private/" + "a" * 32 + "/" + "b" * 32
    assert fake_links().meeting(room.room_name or "") == expected
    assert fake_links().requestor(room) == expected


def test_media_are_addressed_under_their_enterprise() -> None:
    assert (
        fake_links()
        .media(stored(enterprise=7), "h")
        .startswith("https://sight.example/media/showVideo/7/hash/h?")
    )
