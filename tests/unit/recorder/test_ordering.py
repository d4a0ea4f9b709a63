from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from recorder.depacketize import OrderedPacket
from recorder.ordering import MAX_WAITING, RESTART_DISTANCE, ArrivedPacket, PacketReader, Reorderer
from tests.support.rtp_source import VP8, rtp_packet

MS = 1000


def packet(number: int, timestamp: int | None = None, payload: bytes = b"x") -> bytes:
    return rtp_packet(
        VP8, number, number * 3000 if timestamp is None else timestamp, 7, payload, marker=False
    )


def order(packets: list[tuple[bytes, int]]) -> list[OrderedPacket]:
    """(packet, arrival) to what comes out."""
    reader, reorderer = PacketReader(), Reorderer()
    ordered = [
        ready
        for data, arrival_us in packets
        for arrived in reader.read(data, arrival_us)
        for ready in reorderer.push(arrived)
    ]
    return ordered + list(reorderer.flush())


def numbers(ordered: list[OrderedPacket]) -> list[int]:
    return [packet.sequence for packet in ordered]


@given(seed=st.integers(0, 2**32), first=st.integers(0, 65535), first_timestamp=st.integers(0, 2**32 - 1))
def test_shuffled_and_doubled_packets_come_out_in_sequence(
    seed: int, first: int, first_timestamp: int
) -> None:
    rng = random.Random(seed)
    count = 200
    sent = [
        (packet(first + index, first_timestamp + index * 3000, b"%d" % index), index * 10 * MS)
        for index in range(count)
    ]
    arrived = sorted(
        [(data, at_us + rng.randrange(200) * MS) for data, at_us in sent + rng.sample(sent, 30)],
        key=lambda item: item[1],
    )
    ordered = order(arrived)
    assert [packet.payload for packet in ordered] == [b"%d" % index for index in range(count)]
    assert [packet.sequence - ordered[0].sequence for packet in ordered] == list(range(count))
    assert [packet.timestamp - ordered[0].timestamp for packet in ordered] == [n * 3000 for n in range(count)]
    assert not any(packet.gap for packet in ordered)


def test_retransmission_is_waited_for() -> None:
    sent = [(packet(n), n * 10 * MS) for n in range(400)]
    late = [sent[100], sent[101]]
    rest = [item for item in sent if item not in late]
    arrived = rest[:300] + [(data, rest[300][1]) for data, _ in late] + rest[300:]
    ordered = order(arrived)
    assert numbers(ordered) == list(range(400))
    assert not any(packet.gap for packet in ordered)


def test_lost_packets_leave_a_gap_before_the_next() -> None:
    ordered = order([(packet(n), n * 10 * MS) for n in range(1000) if n not in (100, 101, 500)])
    assert [packet.sequence for packet in ordered if packet.gap] == [102, 501]


def test_packet_that_comes_after_it_was_given_up_is_dropped() -> None:
    arrived = [(packet(n), n * 10 * MS) for n in range(600) if n != 100]
    arrived.append((packet(100), 6000 * MS))
    assert 100 not in numbers(order(arrived))


def test_packets_are_given_out_while_nothing_is_missing() -> None:
    reader, reorderer = PacketReader(), Reorderer()
    out = []
    for n in range(100):
        for arrived in reader.read(packet(n), n * 10 * MS):
            out += list(reorderer.push(arrived))
    assert numbers(out) == list(range(100))


def test_waiting_is_bounded_in_packets() -> None:
    reorderer = Reorderer()
    out = 0
    for n in range(3 * MAX_WAITING):
        # Every other packet is missing, and time stands still.
        out += len(list(reorderer.push(ArrivedPacket(2 * n, 0, False, b"x", 0))))
    assert 3 * MAX_WAITING - out <= MAX_WAITING + 1


def test_packet_of_padding_only_fills_its_place_and_gives_nothing() -> None:
    padding = bytearray(packet(2, payload=b"\x00\x00\x00\x04"))
    padding[0] |= 0x20
    ordered = order([(packet(1), 0), (bytes(padding), 10 * MS), (packet(3), 20 * MS)])
    assert [(packet.sequence, packet.gap) for packet in ordered] == [(1, False), (3, False)]


def test_sender_that_begins_a_new_sequence_is_followed() -> None:
    old = [(packet(40_000 + n, n * 3000), n * 10 * MS) for n in range(100)]
    new = [(packet(20_000 + n, (100 + n) * 3000), (100 + n) * 10 * MS) for n in range(100)]
    ordered = order(old + new)
    assert len(ordered) == 200
    assert [index for index, packet in enumerate(ordered) if packet.gap] == [100]
    assert numbers(ordered) == sorted(numbers(ordered))


def test_single_packet_from_elsewhere_changes_nothing() -> None:
    sent = [(packet(40_000 + n, n * 3000), n * 10 * MS) for n in range(100)]
    sent.insert(50, (packet(40_000 - RESTART_DISTANCE - 500, 0), 500 * MS))
    ordered = order(sent)
    assert numbers(ordered) == list(range(40_000, 40_100))
    assert not any(packet.gap for packet in ordered)


@given(st.lists(st.tuples(st.binary(max_size=60), st.integers(0, 10**9)), max_size=30))
def test_nothing_escapes_whatever_arrives(packets: list[tuple[bytes, int]]) -> None:
    ordered = order(packets)
    assert numbers(ordered) == sorted(set(numbers(ordered)))


@given(
    st.lists(st.tuples(st.integers(0, 65535), st.integers(0, 2**32 - 1), st.integers(0, 10**8)), max_size=60)
)
def test_any_counters_come_out_in_sequence(headers: list[tuple[int, int, int]]) -> None:
    ordered = order([(packet(number, timestamp), at_us) for number, timestamp, at_us in headers])
    assert numbers(ordered) == sorted(set(numbers(ordered)))
