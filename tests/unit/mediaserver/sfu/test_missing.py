"""When missing packets are asked for."""

from mediaserver.sfu.missing import MAX_MISSING, MAX_REQUESTS, MissingPackets

MS = 1000


def test_packets_are_asked_for_at_once_and_then_once_per_round_trip() -> None:
    missing = MissingPackets()
    missing.add(5, 8, 0)
    asked_at_ms = [ms for ms in range(0, 400, 20) if missing.due(ms * MS) == [5, 6, 7]]
    assert asked_at_ms == [0, 100, 200, 300]


def test_the_retry_interval_follows_the_measured_round_trip() -> None:
    missing = MissingPackets()
    for extended in range(200):
        missing.add(extended, extended + 1, extended * 1000 * MS)
        assert missing.due(extended * 1000 * MS) == [extended]
        assert missing.arrived(extended, (extended * 1000 + 140) * MS)
    missing.add(300, 301, 0)
    assert [ms for ms in range(0, 500, 10) if missing.due(ms * MS)] == [0, 210, 420]


def test_arrival_tells_whether_the_packet_was_waited_for() -> None:
    missing = MissingPackets()
    missing.add(5, 7, 0)
    assert missing.arrived(6, 10)
    assert not missing.arrived(6, 20)
    assert not missing.arrived(4, 20)
    assert missing.due(0) == [5]


def test_a_packet_is_given_up_after_all_requests() -> None:
    missing = MissingPackets()
    missing.add(5, 6, 0)
    requests = sum(bool(missing.due(ms * MS)) for ms in range(0, 5000, 20))
    assert requests == MAX_REQUESTS
    assert len(missing) == 0
    assert missing.take_abandoned()
    assert not missing.take_abandoned()


def test_the_oldest_are_given_up_beyond_the_bound() -> None:
    missing = MissingPackets()
    missing.add(0, 300, 0)
    assert not missing.take_abandoned()
    missing.add(400, 700, 0)
    assert len(missing) == MAX_MISSING
    assert missing.due(0)[0] == 100
    assert missing.take_abandoned()
