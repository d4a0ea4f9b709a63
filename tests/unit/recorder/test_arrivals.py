from __future__ import annotations

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from recorder.arrivals import ArrivalObserver, Run

MS = 1000
SECOND = 1_000_000

Sent = tuple[int, int, int]
"""Sequence number, RTP time, arrival."""


def stream(
    seconds: float, *, sequence: int = 0, rtp_us: int = 0, at_us: int = 0, delay_us: int = 20_000
) -> list[Sent]:
    return [
        (sequence + index, rtp_us + index * 20 * MS, at_us + index * 20 * MS + delay_us)
        for index in range(int(seconds * 50))
    ]


def observe(packets: Iterable[Sent]) -> list[Run]:
    observer = ArrivalObserver()
    for packet in packets:
        observer.on_packet(*packet)
    observer.finish()
    return observer.runs


def test_even_stream_is_one_run() -> None:
    [run] = observe(stream(60))
    assert len(run.minima) == 60
    assert {arrival - rtp for rtp, arrival in run.minima} == {20 * MS}


def test_clock_that_stood_still_begins_a_run() -> None:
    # The sender was paused for 244 s and its timestamps went on as if it had not been.
    before = stream(10)
    after = stream(10, sequence=500, rtp_us=10 * SECOND, at_us=254 * SECOND)
    first, second = observe(before + after)
    assert (first.start_sequence, second.start_sequence) == (0, 500)
    assert second.start_us == 254 * SECOND + 20 * MS


def test_silence_whose_timestamps_went_on_is_no_step() -> None:
    after = stream(10, sequence=500, rtp_us=254 * SECOND, at_us=254 * SECOND)
    assert len(observe(stream(10) + after)) == 1


def test_stall_of_the_network_is_no_step() -> None:
    packets = [
        (number, rtp, max(arrival, 6 * SECOND) if rtp > 5 * SECOND else arrival)
        for number, rtp, arrival in stream(20)
    ]
    assert len(observe(packets)) == 1


def test_queue_that_drains_slowly_is_no_step() -> None:
    packets = []
    for number, rtp, arrival in stream(30):
        queued = max(0, 1_500 * MS - (rtp - 10 * SECOND)) if rtp >= 10 * SECOND else 0
        packets.append((number, rtp, arrival + queued))
    assert len(observe(packets)) == 1


def test_clock_that_jumped_ahead_begins_a_run() -> None:
    after = stream(10, sequence=500, rtp_us=3_000 * SECOND, at_us=10 * SECOND)
    first, second = observe(stream(10) + after)
    assert (first.start_sequence, second.start_sequence) == (0, 500)


def test_retransmissions_count_for_nothing() -> None:
    packets = stream(10)
    late = [(number, rtp, arrival + 700 * MS) for number, rtp, arrival in packets[100:110]]
    on_time = packets[:100] + packets[110:]
    assert len(observe(sorted(on_time + late, key=lambda packet: packet[2]))) == 1


def test_pause_just_before_the_end_is_seen() -> None:
    after = stream(0.5, sequence=500, rtp_us=10 * SECOND, at_us=100 * SECOND)
    assert [run.start_sequence for run in observe(stream(10) + after)] == [0, 500]


def test_each_of_several_pauses_begins_a_run() -> None:
    packets: list[Sent] = []
    for part in range(4):
        packets += stream(5, sequence=250 * part, rtp_us=5 * SECOND * part, at_us=15 * SECOND * part)
    assert [run.start_sequence for run in observe(packets)] == [0, 250, 500, 750]


@given(
    st.lists(
        st.tuples(st.integers(0, 10**6), st.integers(-(10**12), 10**12), st.integers(0, 10**12)), min_size=1
    )
)
def test_any_packets_give_runs_in_order(packets: list[Sent]) -> None:
    runs = observe(packets)
    starts = [run.start_sequence for run in runs]
    assert starts == sorted(set(starts))
    assert all(run.minima for run in runs)
