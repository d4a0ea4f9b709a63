"""Transport-wide feedback, read back by a decoder written from the draft."""

import struct

from hypothesis import given
from hypothesis import strategies as st

from mediaserver.rtp.twcc import MAX_PENDING, MAX_STATUSES, TwccReceiver


def decode(packet: bytes) -> tuple[int, dict[int, int | None]]:
    """-> (feedback count, {16-bit sequence number: arrival in us or None})."""
    first, kind, words = struct.unpack_from("!BBH", packet)
    assert (first & 0xDF, kind) == (0x8F, 205)
    assert len(packet) == 4 + 4 * words
    if first & 0x20:
        packet = packet[: -packet[-1]]
    base, count, reference = struct.unpack_from("!HHL", packet, 12)
    position = 20
    symbols: list[int] = []
    while len(symbols) < count:
        (chunk,) = struct.unpack_from("!H", packet, position)
        position += 2
        if not chunk & 0x8000:
            symbols += [chunk >> 13] * (chunk & 0x1FFF)
        elif chunk & 0x4000:
            symbols += [chunk >> shift & 3 for shift in range(12, -1, -2)]
        else:
            symbols += [chunk >> shift & 1 for shift in range(13, -1, -1)]
    assert not any(symbols[count:])
    time = (reference >> 8) * 64_000
    arrivals: dict[int, int | None] = {}
    for index, symbol in enumerate(symbols[:count]):
        arrival = None
        if symbol == 1:
            time += 250 * packet[position]
            position += 1
        elif symbol == 2:
            time += 250 * struct.unpack_from("!h", packet, position)[0]
            position += 2
        if symbol:
            arrival = time
        arrivals[(base + index) & 0xFFFF] = arrival
    assert position == len(packet)
    return reference & 0xFF, arrivals


def feed(receiver: TwccReceiver, arrivals: dict[int, int]) -> dict[int, int | None]:
    for sequence_number, arrival_us in arrivals.items():
        receiver.add(sequence_number & 0xFFFF, arrival_us)
    merged: dict[int, int | None] = {}
    for packet in receiver.build(1, 2):
        assert len(packet) <= 1100
        merged |= decode(packet)[1]
    return merged


@given(
    start=st.integers(0, 0xFFFF),
    gaps=st.lists(st.tuples(st.integers(1, 40), st.integers(-3_000, 400_000)), min_size=1, max_size=300),
)
def test_every_arrival_is_reported_within_a_quarter_millisecond(
    start: int, gaps: list[tuple[int, int]]
) -> None:
    arrivals: dict[int, int] = {}
    sequence_number, time_us = start, 10_000_000
    for step, delay_us in gaps:
        sequence_number += step
        time_us += delay_us
        arrivals[sequence_number] = time_us
    reported = feed(TwccReceiver(), arrivals)
    for expected in range(min(arrivals), max(arrivals) + 1):
        arrival_us = arrivals.get(expected)
        found = reported.get(expected & 0xFFFF)
        if arrival_us is None:
            assert found is None
        else:
            assert found is not None and 0 <= arrival_us - found < 250


def test_consecutive_reports_cover_every_number_once() -> None:
    receiver = TwccReceiver()
    assert feed(receiver, {65534: 1_000_000, 65535: 1_001_000}) == {65534: 1_000_000, 65535: 1_001_000}
    assert receiver.build(1, 2) == []
    reported = feed(receiver, {65538: 1_100_000})
    assert list(reported) == [0, 1, 2]
    assert reported[0] is reported[1] is None


def test_reordered_and_repeated_packets_are_reported_with_their_first_arrival() -> None:
    receiver = TwccReceiver()
    reported = feed(receiver, {10: 1_000_000, 12: 1_002_000, 11: 1_004_000})
    receiver.add(12, 1_009_000)
    assert reported == {10: 1_000_000, 11: 1_004_000, 12: 1_002_000}
    assert receiver.build(1, 2) == []


def test_feedback_packets_are_counted() -> None:
    receiver = TwccReceiver()
    counts = []
    for index in range(300):
        receiver.add(index, 1_000_000 + index)
        counts += [decode(packet)[0] for packet in receiver.build(1, 2)]
    assert counts == [index & 0xFF for index in range(300)]


def test_long_intervals_are_split() -> None:
    receiver = TwccReceiver()
    for index in range(1000):
        receiver.add(index, 1_000_000 + 9_000 * index % 70_000)
    packets = receiver.build(1, 2)
    assert [len(decode(packet)[1]) for packet in packets] == [MAX_STATUSES, MAX_STATUSES, 200]
    assert max(map(len, packets)) <= 1100


def test_a_restart_of_the_numbering_is_not_reported_as_loss() -> None:
    receiver = TwccReceiver()
    feed(receiver, {100: 1_000_000})
    assert feed(receiver, {30_000: 2_000_000, 30_001: 2_001_000}) == {30_000: 2_000_000, 30_001: 2_001_000}


def test_pending_arrivals_are_bounded() -> None:
    receiver = TwccReceiver()
    for index in range(MAX_PENDING + 500):
        receiver.add(index & 0xFFFF, 1_000_000 + index)
    reported: dict[int, int | None] = {}
    for packet in receiver.build(1, 2):
        reported |= decode(packet)[1]
    assert len(reported) == MAX_PENDING
