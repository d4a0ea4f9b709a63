from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.errors import MjrError
from recorder.mjr import MjrHeader, MjrReader, MjrRecord, encode_header, encode_record

HEADER = MjrHeader("video", "vp8", 1_700_000_000_000_000, 1_700_000_000_500_000)

records = st.lists(st.builds(MjrRecord, st.integers(0, 2**32 - 1), st.binary(max_size=2000)), max_size=20)


def encode(header: MjrHeader, written: list[MjrRecord]) -> bytes:
    return encode_header(header) + b"".join(encode_record(*record) for record in written)


def read(path: Path, data: bytes) -> tuple[MjrHeader, list[MjrRecord], bool]:
    path.write_bytes(data)
    with MjrReader(path) as reader:
        found = list(reader)
    return reader.header, found, reader.damaged


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mjr") / "file.mjr"


def test_layout_is_that_of_janus() -> None:
    text = b'{"t":"v","c":"vp8","s":1700000000000000,"u":1700000000500000}'
    assert encode_header(HEADER) == b"MJR00002" + len(text).to_bytes(2, "big") + text
    assert encode_record(258, b"abc") == b"MEET\x00\x00\x01\x02\x00\x03abc"


@given(written=records, kind=st.sampled_from(["audio", "video"]))
def test_what_is_written_is_read(path: Path, written: list[MjrRecord], kind: str) -> None:
    header = MjrHeader("audio", "opus", 1, 2) if kind == "audio" else HEADER
    assert read(path, encode(header, written)) == (header, written, False)


@given(written=records, data=st.data())
def test_truncated_tail_costs_only_the_last_record(
    path: Path, written: list[MjrRecord], data: st.DataObject
) -> None:
    whole = encode(HEADER, written)
    length = data.draw(st.integers(len(encode_header(HEADER)), len(whole)))
    _, found, damaged = read(path, whole[:length])
    assert found == written[: len(found)]
    kept = len(encode(HEADER, found))
    assert damaged == (kept != length)
    assert len(found) == len(written) or len(encode(HEADER, written[: len(found) + 1])) > length


def test_reading_is_not_limited_to_what_fits_one_read(path: Path) -> None:
    written = [MjrRecord(number, bytes([number % 256]) * 1200) for number in range(1000)]
    assert read(path, encode(HEADER, written))[1] == written


@given(garbage=st.binary(max_size=300))
def test_garbage_is_refused_or_read_as_nothing(path: Path, garbage: bytes) -> None:
    with pytest.raises(MjrError):
        read(path, garbage)
    _, found, damaged = read(path, encode_header(HEADER) + garbage)
    if not garbage.startswith(b"MEET"):
        assert found == []
        assert damaged == bool(garbage)


@given(
    text=st.one_of(
        st.binary(max_size=200), st.from_regex(rb'\{"t":"v","c":.*,"s":.*,"u":.*\}', fullmatch=True)
    )
)
def test_only_the_documented_error_escapes_from_a_bad_header(path: Path, text: bytes) -> None:
    try:
        header, _, _ = read(path, b"MJR00002" + len(text).to_bytes(2, "big") + text)
    except MjrError:
        return
    assert encode_header(header).startswith(b"MJR00002")


@pytest.mark.parametrize(
    "text",
    [
        b'{"t":"x","c":"vp8","s":1,"u":1}',
        b'{"t":"v","c":8,"s":1,"u":1}',
        b'{"t":"v","c":"vp8","s":"1","u":1}',
        b'{"t":"v","c":"vp8","s":1}',
        b'{"t":["v"],"c":"vp8","s":1,"u":1}',
        b"[]",
        b"[" * 60_000,
    ],
)
def test_header_of_another_shape_is_refused(path: Path, text: bytes) -> None:
    with pytest.raises(MjrError):
        read(path, b"MJR00002" + len(text).to_bytes(2, "big") + text)
