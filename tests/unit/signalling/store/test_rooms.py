from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from signalling.errors import VersionMismatchError
from signalling.store import Store
from signalling.store.records import NewRoom, Position, Requestor, Room, RoomChange, RoomFilter
from tests.support.store import SettableClock, new_room


async def create(store: Store, room: NewRoom) -> Room:
    async with store.write() as tx:
        return await tx.rooms.create(room)


async def find(store: Store, **wanted: object) -> list[str | None]:
    async with store.read() as tx:
        page = await tx.rooms.page(RoomFilter(**wanted))  # type: ignore[arg-type]
    assert page.total >= len(page.items)
    return [room.reference for room in page.items]


async def test_a_room_comes_back_as_it_was_created(store: Store, clock: SettableClock) -> None:
    wanted = new_room(
        clock.now,
        kind="meeting",
        reference="ref-é",
        name="Réunion",
        agent="agent1@example.com",
        requestor=Requestor(name="Élise", phone="+33662682193"),
        room_name="a" * 32 + ":" + "b" * 32,
        metadata={"case": {"lines": [1, 2.5, None, "\x00", "é"]}},
        max_uploads=3,
    )
    room = await create(store, wanted)
    assert {name: getattr(room, name) for name in NewRoom.__dataclass_fields__} == {
        name: getattr(wanted, name) for name in NewRoom.__dataclass_fields__
    }
    assert (room.created, room.modified, room.version) == (clock.now, clock.now, 1)
    async with store.read() as tx:
        assert await tx.rooms.by_conv_id(room.conv_id) == room
        assert await tx.rooms.by_id(room.id) == room
        assert wanted.room_name is not None
        assert await tx.rooms.by_room_name(wanted.room_name) == room


async def test_an_unknown_room_is_none(store: Store) -> None:
    async with store.read() as tx:
        assert await tx.rooms.by_conv_id("0") is None
        assert await tx.rooms.by_id(1) is None
        assert await tx.rooms.by_room_name("0") is None


async def test_times_come_back_in_utc_whatever_offset_they_had(store: Store, clock: SettableClock) -> None:
    paris = timezone(timedelta(hours=2))
    room = await create(store, new_room(clock.now, end_time=datetime(2026, 7, 1, 12, tzinfo=paris)))
    assert room.end_time == datetime(2026, 7, 1, 10, tzinfo=UTC)
    assert room.end_time.utcoffset() == timedelta(0)


async def test_a_time_without_offset_is_refused(store: Store, clock: SettableClock) -> None:
    with pytest.raises(Exception, match="without offset"):
        await create(store, new_room(clock.now, end_time=datetime(2026, 7, 1, 12)))


async def test_a_state_changes_only_from_an_expected_one(
    store: Store, room: Room, clock: SettableClock
) -> None:
    clock.advance(seconds=5)
    async with store.write() as tx:
        ongoing = await tx.rooms.set_state(room.id, "ongoing", expected=("scheduled", "invited"))
        again = await tx.rooms.set_state(room.id, "ongoing", expected=("scheduled", "invited"))
    assert ongoing is not None
    assert (ongoing.state, ongoing.version, ongoing.modified) == ("ongoing", 2, clock.now)
    assert again is None


async def test_the_real_end_is_written_back(store: Store, room: Room, clock: SettableClock) -> None:
    end = clock.advance(minutes=12)
    async with store.write() as tx:
        await tx.rooms.set_state(room.id, "done", expected=("invited",), end_time=end, end_reason="hang_up")
    async with store.read() as tx:
        done = await tx.rooms.by_id(room.id)
    assert done is not None
    assert (done.end_time, done.end_reason, done.is_open) == (end, "hang_up", False)


async def test_open_rooms_are_those_that_are_not_over_soonest_end_first(
    store: Store, clock: SettableClock
) -> None:
    for reference, state, minutes in (
        ("late", "scheduled", 90),
        ("soon", "ongoing", 5),
        ("over", "done", 1),
        ("gone", "expired", 1),
        ("off", "cancelled", 1),
        ("next", "invited", 30),
    ):
        end = clock.now + timedelta(minutes=minutes)
        await create(store, new_room(clock.now, reference=reference, state=state, end_time=end))
    async with store.read() as tx:
        assert [room.reference for room in await tx.rooms.open()] == ["soon", "next", "late"]
        counts = await tx.rooms.count_by_state()
    assert counts == {"scheduled": 1, "invited": 1, "ongoing": 1, "done": 1, "expired": 1, "cancelled": 1}


async def test_the_position_is_kept_exactly(store: Store, room: Room) -> None:
    position = Position(lat=48.7703337, lng=-3.5149756, accuracy_m=4.5)
    async with store.write() as tx:
        await tx.rooms.set_position(room.id, position)
    async with store.read() as tx:
        stored = await tx.rooms.by_id(room.id)
    assert stored is not None
    assert stored.position == position


async def test_a_change_of_an_older_version_is_refused(store: Store, room: Room) -> None:
    async with store.write() as tx:
        changed = await tx.rooms.change(room.id, RoomChange(reference="new"), expected_version=1)
    assert (changed.reference, changed.version) == ("new", 2)
    with pytest.raises(VersionMismatchError):
        async with store.write() as tx:
            await tx.rooms.change(room.id, RoomChange(reference="newer"), expected_version=1)
    assert await find(store) == ["new"]


async def test_a_change_can_clear_and_leaves_the_rest(store: Store, clock: SettableClock) -> None:
    room = await create(store, new_room(clock.now, reference="r", name="n", metadata={"a": 1}))
    async with store.write() as tx:
        change = RoomChange(name=None, requestor=Requestor(email="a@b"))
        changed = await tx.rooms.change(room.id, change, expected_version=None)
    assert (changed.reference, changed.name, changed.metadata) == ("r", None, {"a": 1})
    assert changed.requestor == Requestor(email="a@b")


async def test_rooms_are_found_by_each_criterion(store: Store, clock: SettableClock) -> None:
    await create(store, new_room(clock.now, reference="a", state="done"))
    first = clock.advance(minutes=1)
    await create(store, new_room(clock.now, reference="b", kind="meeting"))
    second = clock.advance(minutes=1)
    await create(store, new_room(clock.now, reference="c"))
    assert await find(store) == ["c", "b", "a"]
    assert await find(store, newest_first=False) == ["a", "b", "c"]
    assert await find(store, reference="b") == ["b"]
    assert await find(store, state="done") == ["a"]
    assert await find(store, kind="meeting") == ["b"]
    assert await find(store, since=first) == ["c", "b"]
    assert await find(store, until=second) == ["b", "a"]
    assert await find(store, limit=1, offset=1) == ["b"]
    assert await find(store, limit=10, offset=9) == []
    async with store.read() as tx:
        assert (await tx.rooms.page(RoomFilter(limit=1))).total == 3


async def test_search_finds_parts_of_all_texts_whatever_the_case(store: Store, clock: SettableClock) -> None:
    person = Requestor(name="ÉLISE Straße", email="Elise@Example.com", phone="+33612345678")
    await create(
        store, new_room(clock.now, reference="hit", name="Chaudière 100%", agent="Zoë", requestor=person)
    )
    await create(store, new_room(clock.now, reference="other", name="Boiler 100 percent"))
    for text in ("élise", "STRASSE", "example.COM", "3361234", "chaudiÈRE", "100%", "zoë", "HIT"):
        assert await find(store, search=text) == ["hit"], text
    assert await find(store, search="1_0") == []


async def test_search_follows_a_change(store: Store, clock: SettableClock) -> None:
    room = await create(store, new_room(clock.now, reference="old"))
    async with store.write() as tx:
        await tx.rooms.change(room.id, RoomChange(reference="new"), expected_version=None)
    assert await find(store, search="old") == []
    assert await find(store, search="new") == ["new"]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=40))
async def test_any_text_is_stored_and_found_again(store: Store, clock: SettableClock, text: str) -> None:
    room = await create(store, new_room(clock.now, name=text, metadata={text: [text]}))
    assert room.name == text
    assert room.metadata == {text: [text]}
    async with store.read() as tx:
        found = await tx.rooms.page(RoomFilter(search=text, limit=1000))
    assert text == "" or room.id in {item.id for item in found.items}
