"""Packets kept to be sent again."""

from mediaserver.sfu.history import PacketHistory, SentPacket

MS = 1000


def filled(size: int, *numbers: int) -> PacketHistory:
    history = PacketHistory(size)
    for number in numbers:
        history.ring[number & history.mask] = packet(number)
    return history


def packet(number: int) -> SentPacket:
    return (number, 0, number * 3000, b"abc", b"payload")


def test_a_packet_is_found_until_its_slot_is_used_again() -> None:
    history = filled(16, 65_535, 0)
    assert history.find(65_535) == packet(65_535)
    assert history.find(0) == packet(0)
    assert history.find(1) is None
    history.ring[15] = packet(15)
    assert history.find(65_535) is None
    assert history.find(15) == packet(15)


def test_a_packet_is_repeated_at_most_once_per_round_trip() -> None:
    history = filled(16, 3)
    taken_ms = [ms for ms in range(1000, 1250) if history.take(3, ms * MS, 60 * MS)]
    assert taken_ms == [1000, 1060, 1120, 1180, 1240]
    assert history.take(4, 2000 * MS, 60 * MS) is None


def test_the_interval_is_bounded_for_odd_round_trips() -> None:
    for rtt_us, interval_ms in ((0, 10), (9_000_000, 100)):
        history = filled(16, 3)
        taken_ms = [ms for ms in range(1000, 1201) if history.take(3, ms * MS, rtt_us)]
        assert taken_ms[1] - taken_ms[0] == interval_ms


def test_a_new_packet_in_the_slot_of_a_repeated_one_can_be_repeated() -> None:
    history = filled(16, 3)
    assert history.take(3, 1000 * MS, 0)
    history.ring[3] = packet(19)
    assert history.take(19, 1000 * MS, 0) == packet(19)


def test_repeats_are_bounded_to_a_burst_and_then_a_rate() -> None:
    history = filled(1024, *range(1024))
    burst = sum(history.take(number, 1000 * MS, 0) is not None for number in range(1024))
    assert burst == 200
    later = sum(
        history.take(number, (1000 + ms) * MS, 0) is not None
        for ms in range(1, 101)
        for number in range(1024)
    )
    assert later == 200  # 2000 per second
