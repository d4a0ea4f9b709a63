from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.errors import JournalError
from recorder.journal import JournalRecord, JsonValue, encode_event, read_journal

names = st.text(max_size=10).filter(lambda name: name not in ("seq", "mono_us", "wall_us", "type"))
values: st.SearchStrategy[JsonValue] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
events = st.lists(st.tuples(st.text(max_size=20), st.dictionaries(names, values, max_size=4)), max_size=8)


def encode(written: list[tuple[str, dict[str, JsonValue]]]) -> list[bytes]:
    return [
        encode_event(seq, type_, data, mono_us=seq * 10, wall_us=seq * 20)
        for seq, (type_, data) in enumerate(written)
    ]


def read(path: Path, data: bytes) -> list[JournalRecord]:
    path.write_bytes(data)
    return list(read_journal(path))


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("journal") / "events.jsonl"


@given(written=events)
def test_what_is_written_is_read(path: Path, written: list[tuple[str, dict[str, JsonValue]]]) -> None:
    assert read(path, b"".join(encode(written))) == [
        JournalRecord(seq, seq * 10, seq * 20, type_, data) for seq, (type_, data) in enumerate(written)
    ]


@given(written=events, data=st.data())
def test_partial_last_line_is_dropped(
    path: Path, written: list[tuple[str, dict[str, JsonValue]]], data: st.DataObject
) -> None:
    lines = encode(written)
    whole = b"".join(lines)
    length = data.draw(st.integers(0, len(whole)))
    found = read(path, whole[:length])
    complete = whole[:length].count(b"\n")
    assert [record.seq for record in found] == list(range(complete))


def test_unreadable_end_is_dropped(path: Path) -> None:
    lines = encode([("a", {}), ("b", {})])
    # What a file system may leave behind after a loss of power: the length without the data.
    assert len(read(path, b"".join(lines) + bytes(100) + b"\n" + bytes(5))) == 2


def test_unreadable_line_before_a_readable_one_is_an_error(path: Path) -> None:
    lines = encode([("a", {}), ("b", {}), ("c", {})])
    with pytest.raises(JournalError, match="line 2"):
        read(path, lines[0] + b"#" + lines[1] + lines[2])


def test_missing_line_is_an_error(path: Path) -> None:
    lines = encode([("a", {}), ("b", {}), ("c", {})])
    with pytest.raises(JournalError, match="number 2 instead of 1"):
        read(path, lines[0] + lines[2])


@given(data=st.binary(max_size=300))
def test_only_the_documented_error_escapes(path: Path, data: bytes) -> None:
    with suppress(JournalError):
        read(path, data)


@pytest.mark.parametrize("name", ["seq", "mono_us", "wall_us", "type"])
def test_reserved_field_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        encode_event(0, "x", {name: 1}, mono_us=0, wall_us=0)


def test_number_that_json_has_not_is_refused() -> None:
    with pytest.raises(ValueError, match="JSON"):
        encode_event(0, "x", {"value": float("nan")}, mono_us=0, wall_us=0)


def test_lone_surrogate_does_not_stop_the_journal(path: Path) -> None:
    [record] = read(path, encode_event(0, "x", {"name": "a\ud800b"}, mono_us=0, wall_us=0))
    assert record.data == {"name": "a?b"}
