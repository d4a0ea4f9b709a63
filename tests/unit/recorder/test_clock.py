"""Clocks are judged against a simulated sender whose true times are known."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recorder.arrivals import ArrivalObserver
from recorder.clock import Report, StreamClock, StreamReadings, participant_clocks

MS = 1000
SECOND = 1_000_000
NTP_US = 3_909_000_000 * SECOND
MIN_DELAY_US = 20 * MS

Queue = Callable[[float], float]
"""Extra delay in microseconds of what is sent at an instant."""


def no_queue(at_us: float) -> float:
    return 0


def bufferbloat(at_us: float) -> float:
    """250 ms of queue for 15 s in every 100."""
    phase = at_us % (100 * SECOND) / SECOND
    return 250 * MS * math.sin((phase - 50) / 15 * math.pi) if 50 < phase < 65 else 0


@dataclass
class Sender:
    """One stream: `samples` are (sequence, RTP time, true capture time)."""

    start_us: int = 0
    duration_us: int = 120 * SECOND
    interval_us: int = 40 * MS
    drift: float = 0.0
    encode_us: int = 30 * MS
    report_us: int = SECOND
    jitter_us: int = 0
    queue: Queue = no_queue
    ntp_us: int = NTP_US
    ntp_step: tuple[int, int] = (1 << 62, 0)
    """From this instant on the sender's wall clock is off by this much."""
    seed: int = 1
    samples: list[tuple[int, int, int]] = field(default_factory=list)
    readings: StreamReadings = field(init=False)

    def __post_init__(self) -> None:
        rng = random.Random(self.seed)
        first_rtp_us = rng.randrange(1 << 45)

        def rtp_us(at_us: int) -> int:
            return first_rtp_us + round((at_us - self.start_us) * (1 + self.drift))

        def delay_us(at_us: float) -> int:
            return round(MIN_DELAY_US + rng.expovariate(1) * self.jitter_us + self.queue(at_us))

        observer = ArrivalObserver()
        previous_us = 0
        for index in range(self.duration_us // self.interval_us):
            captured_us = self.start_us + index * self.interval_us
            sent_us = captured_us + self.encode_us
            previous_us = max(sent_us + delay_us(sent_us), previous_us)
            observer.on_packet(index, rtp_us(captured_us), previous_us)
            self.samples.append((index, rtp_us(captured_us), captured_us))
        observer.finish()
        reports = []
        for at_us in range(self.start_us + 700 * MS, self.start_us + self.duration_us, self.report_us):
            step_us = self.ntp_step[1] if at_us >= self.ntp_step[0] else 0
            # Senders round to a millisecond.
            ntp_us = (self.ntp_us + at_us + step_us) // MS * MS
            reports.append(Report(rtp_us(at_us), ntp_us, at_us + delay_us(at_us)))
        self.readings = StreamReadings(observer.runs, reports)

    def errors_us(self, clock: StreamClock) -> list[int]:
        """Recorded minus true capture time of each sample."""
        return [clock.at(sequence, rtp_us) - true_us for sequence, rtp_us, true_us in self.samples]


def clocks(*senders: Sender) -> list[StreamClock]:
    return participant_clocks([sender.readings for sender in senders])


def skew_us(audio: Sender, video: Sender) -> list[int]:
    """How much later sound is placed than a picture captured with it, every 5 s."""
    audio_clock, video_clock = clocks(audio, video)
    by_time = {
        true_us: error
        for (_, _, true_us), error in zip(video.samples, video.errors_us(video_clock), strict=True)
    }
    skews = []
    for (_, _, true_us), error in list(zip(audio.samples, audio.errors_us(audio_clock), strict=True))[::250]:
        nearest = min(by_time, key=lambda at_us: abs(at_us - true_us))
        skews.append(error - by_time[nearest])
    return skews


@pytest.mark.parametrize("seed", range(3))
def test_lips_stay_in_sync_over_ten_minutes_of_drift_jitter_and_queues(seed: int) -> None:
    over_a_bad_network = partial(Sender, jitter_us=15 * MS, queue=bufferbloat, duration_us=600 * SECOND)
    audio = over_a_bad_network(
        start_us=2_300 * MS, interval_us=20 * MS, drift=60e-6, report_us=5 * SECOND, seed=seed
    )
    video = over_a_bad_network(encode_us=45 * MS, seed=seed + 100)
    skews = skew_us(audio, video)
    assert max(map(abs, skews)) < 15 * MS
    assert max(map(abs, skews)) < 2 * MS, "what exact reports allow"


def test_samples_are_placed_the_shortest_delay_after_their_capture() -> None:
    video = Sender(jitter_us=10 * MS, queue=bufferbloat)
    [clock] = clocks(video)
    errors = video.errors_us(clock)
    assert clock.trusted
    assert min(errors) >= MIN_DELAY_US - 2 * MS
    assert max(errors) <= MIN_DELAY_US + 5 * MS


def test_wall_clock_that_runs_at_another_speed_is_followed() -> None:
    # 100 ppm over 20 minutes is 120 ms.
    video = Sender(duration_us=1200 * SECOND, jitter_us=5 * MS)
    fast = [
        report._replace(ntp_us=report.ntp_us + round((report.ntp_us - NTP_US) * 100e-6))
        for report in video.readings.reports
    ]
    [clock] = participant_clocks([StreamReadings(video.readings.runs, fast)])
    errors = video.errors_us(clock)
    assert max(errors) - min(errors) < 5 * MS


def test_few_reports_do_not_tilt_the_clock() -> None:
    video = Sender(duration_us=5 * SECOND, jitter_us=20 * MS)
    [clock] = clocks(video)
    errors = video.errors_us(clock)
    assert max(errors) - min(errors) <= 1


def test_without_reports_arrivals_decide() -> None:
    video = Sender(jitter_us=10 * MS, queue=bufferbloat, drift=40e-6)
    [clock] = participant_clocks([StreamReadings(video.readings.runs, [])])
    assert clock.trusted
    errors = video.errors_us(clock)
    # The encoder's delay cannot be told from the network's.
    assert all(abs(error - MIN_DELAY_US - video.encode_us) < 15 * MS for error in errors)


def test_reports_that_contradict_the_arrivals_are_not_believed() -> None:
    video = Sender()
    wrong = [report._replace(rtp_us=report.rtp_us - 3 * SECOND) for report in video.readings.reports]
    [clock] = participant_clocks([StreamReadings(video.readings.runs, wrong)])
    assert not clock.trusted
    assert all(abs(error - MIN_DELAY_US - video.encode_us) < 5 * MS for error in video.errors_us(clock))


def test_reports_of_another_speed_are_not_believed() -> None:
    video = Sender()
    wrong = [
        report._replace(rtp_us=round(report.rtp_us + (report.ntp_us - NTP_US) * 0.01))
        for report in video.readings.reports
    ]
    [clock] = participant_clocks([StreamReadings(video.readings.runs, wrong)])
    assert not clock.trusted


def test_step_of_the_senders_wall_clock_moves_nothing() -> None:
    step = (60 * SECOND, -4 * SECOND)
    audio = Sender(interval_us=20 * MS, report_us=5 * SECOND, ntp_step=step, jitter_us=5 * MS)
    video = Sender(ntp_step=step, jitter_us=5 * MS, seed=2)
    for sender, clock in zip((audio, video), clocks(audio, video), strict=True):
        errors = sender.errors_us(clock)
        assert clock.trusted
        assert max(errors) - min(errors) < 5 * MS
    assert max(map(abs, skew_us(audio, video))) < 5 * MS


def test_one_wild_report_changes_nothing() -> None:
    video = Sender(jitter_us=5 * MS)
    for index in (0, 30, len(video.readings.reports) - 1):
        reports = list(video.readings.reports)
        reports[index] = reports[index]._replace(ntp_us=reports[index].ntp_us + 3600 * SECOND)
        [clock] = participant_clocks([StreamReadings(video.readings.runs, reports)])
        errors = video.errors_us(clock)
        assert clock.trusted
        assert max(abs(error - MIN_DELAY_US) for error in errors) < 5 * MS


def paused(*, reports: bool) -> tuple[list[tuple[int, int]], StreamReadings]:
    """A sender that stopped for 244 s, its RTP clock too, after the first 30 s.

    Returns the two instants of capture beside the pause, as (sequence, true time), and the readings.
    """
    observer = ArrivalObserver()
    found: list[Report] = []
    for index in range(3000):
        true_us = index * 20 * MS + (244 * SECOND if index >= 1500 else 0)
        observer.on_packet(index, index * 20 * MS, true_us + 30 * MS)
        if reports and index % 250 == 100:
            found.append(Report(index * 20 * MS, NTP_US + true_us, true_us + 30 * MS))
    observer.finish()
    return [(1499, 1499 * 20 * MS), (1500, 274 * SECOND)], StreamReadings(observer.runs, found)


@pytest.mark.parametrize("reports", [True, False])
def test_pause_keeps_its_length_although_the_rtp_clock_stood_still(reports: bool) -> None:
    beside, readings = paused(reports=reports)
    [clock] = participant_clocks([readings])
    for sequence, true_us in beside:
        assert abs(clock.at(sequence, sequence * 20 * MS) - true_us - 30 * MS) < 5 * MS


def test_run_without_reports_keeps_the_lag_of_the_others() -> None:
    video = Sender(duration_us=30 * SECOND, encode_us=120 * MS)
    resumed = Sender(duration_us=3 * SECOND, encode_us=120 * MS, start_us=100 * SECOND)
    run = resumed.readings.runs[0]
    run.start_sequence = 10_000
    clock = participant_clocks([StreamReadings([*video.readings.runs, run], list(video.readings.reports))])[0]
    sequence, rtp_us, true_us = resumed.samples[10]
    assert abs(clock.at(sequence + 10_000, rtp_us) - true_us - MIN_DELAY_US) < 3 * MS


def test_reload_with_another_wall_clock_is_placed_by_its_own_reports() -> None:
    before = Sender(duration_us=30 * SECOND)
    after = Sender(start_us=40 * SECOND, duration_us=30 * SECOND, ntp_us=NTP_US + 300 * MS)
    for sender, clock in zip((before, after), clocks(before, after), strict=True):
        assert all(abs(error - MIN_DELAY_US) < 2 * MS for error in sender.errors_us(clock))


@settings(max_examples=60)
@given(
    drift=st.floats(-2e-4, 2e-4),
    encode_ms=st.integers(0, 200),
    report_ms=st.integers(200, 10_000),
    jitter_ms=st.integers(0, 40),
    duration_s=st.integers(1, 90),
    seed=st.integers(0, 99),
)
def test_mapping_is_monotonic_and_near_the_truth(
    drift: float, encode_ms: int, report_ms: int, jitter_ms: int, duration_s: int, seed: int
) -> None:
    sender = Sender(
        drift=drift,
        encode_us=encode_ms * MS,
        report_us=report_ms * MS,
        jitter_us=jitter_ms * MS,
        duration_us=duration_s * SECOND,
        seed=seed,
    )
    [clock] = clocks(sender)
    mapped = [clock.at(sequence, rtp_us) for sequence, rtp_us, _ in sender.samples]
    assert mapped == sorted(mapped)
    # At most the whole delay of the packet that decided.
    assert all(-5 * MS < error < 500 * MS for error in sender.errors_us(clock))


readings = st.builds(
    lambda packets, reports: _readings(packets, reports),
    st.lists(
        st.tuples(st.integers(0, 10**5), st.integers(-(10**11), 10**11), st.integers(0, 10**11)), min_size=1
    ),
    st.lists(
        st.builds(Report, st.integers(-(10**11), 10**11), st.integers(0, 10**16), st.integers(0, 10**11)),
        max_size=10,
    ),
)


def _readings(packets: Sequence[tuple[int, int, int]], reports: list[Report]) -> StreamReadings:
    observer = ArrivalObserver()
    for packet in sorted(packets, key=lambda packet: packet[2]):
        observer.on_packet(*packet)
    observer.finish()
    return StreamReadings(observer.runs, sorted(reports, key=lambda report: report.arrival_us))


@given(st.lists(readings, max_size=4))
def test_any_readings_give_a_clock_for_each_stream(streams: list[StreamReadings]) -> None:
    found = participant_clocks(streams)
    assert len(found) == len(streams)
    for clock in found:
        assert isinstance(clock.at(5, 12345), int)
