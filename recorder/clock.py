"""Sender clocks onto the server's clock, after the fact and with everything known. Pure: no I/O, no clock.

Three clocks are involved. A stream's RTP timestamps count its samples; sender reports (RFC 3550 6.4.1) tie
them to the sender's wall clock (NTP), which audio and video of one connection share, so that lip-sync depends
on the sender's reports alone. What is left is one offset per connection, from the sender's wall clock to the
server's monotonic clock: the quickest report tells it best, because the network only ever adds delay.

Reports that contradict the arrival of the packets by more than half a second are not believed; the stream is
then placed by its arrivals.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from recorder.arrivals import STEP_US, Run
from recorder.lines import Line, fit_line, lower_envelope

MIN_RATE_SPAN_US = 10_000_000
"""Reports over less than this do not tell the difference of two clocks' speeds."""
MIN_ENVELOPE_SPAN_US = 60_000_000
MAX_RATE = 1e-3
"""No two clocks differ by more (1000 ppm); a fit that says so is wrong."""


class Report(NamedTuple):
    """One sender report."""

    rtp_us: int
    """Unwrapped RTP timestamp, in microseconds of the nominal clock rate."""
    ntp_us: int
    arrival_us: int


@dataclass(frozen=True, slots=True)
class StreamReadings:
    """What is known about the time of one SSRC."""

    runs: Sequence[Run]
    """At least one, see `recorder/arrivals.py`."""
    reports: Sequence[Report]
    """In order of arrival."""

    @property
    def start_us(self) -> int:
        return self.runs[0].start_us

    @property
    def end_us(self) -> int:
        return self.runs[-1].minima[-1][1]


@dataclass(frozen=True, slots=True)
class StreamClock:
    """Maps the samples of one SSRC to the server's monotonic clock."""

    starts: tuple[int, ...]
    """Unwrapped sequence number at which each line begins to hold."""
    lines: tuple[Line, ...]
    """RTP time to server time, both in microseconds."""
    trusted: bool
    """False where sender reports were there, but contradicted the arrivals."""

    def at(self, sequence: int, rtp_us: int) -> int:
        """Server time of the sample `rtp_us` that came in packet `sequence` (both unwrapped)."""
        return self.lines[max(bisect_right(self.starts, sequence) - 1, 0)].at(rtp_us)


@dataclass(slots=True)
class _Stream:
    """One SSRC on its way to a `StreamClock`."""

    readings: StreamReadings
    ntp_lines: list[Line | None]
    """Per run: RTP time to sender's wall clock, None where the run has no reports."""
    reports: list[Report]
    """Those that the lines were made of, steps of the sender's wall clock taken out."""


def participant_clocks(streams: Sequence[StreamReadings]) -> list[StreamClock]:
    """The clocks of all streams of one participant, in the same order."""
    fitted = [_fit_reports(readings) for readings in streams]
    clocks: dict[int, StreamClock] = {}
    for members in _connections(fitted):
        reports = [report for index in members for report in fitted[index].reports]
        sender = (
            lower_envelope(
                [(report.ntp_us, report.arrival_us) for report in reports],
                min_span_us=MIN_ENVELOPE_SPAN_US,
                max_rate=MAX_RATE,
            )
            if reports
            else None
        )
        for index in members:
            clocks[index] = _stream_clock(fitted[index], sender)
    return [clocks[index] for index in range(len(streams))]


def _fit_reports(readings: StreamReadings) -> _Stream:
    lines: list[Line | None] = []
    used: list[Report] = []
    ends = [run.start_us for run in readings.runs[1:]] + [readings.end_us + (1 << 62)]
    remaining = list(readings.reports)
    for end_us in ends:
        count = sum(report.arrival_us < end_us for report in remaining)
        mine, remaining = _without_steps(remaining[:count]), remaining[count:]
        if not mine:
            lines.append(None)
            continue
        fit = fit_line([(r.rtp_us, r.ntp_us) for r in mine], min_span_us=MIN_RATE_SPAN_US)
        lines.append(fit.line)
        used += [report for report, inlier in zip(mine, fit.inliers, strict=True) if inlier]
    return _Stream(readings, lines, used)


def _without_steps(reports: Sequence[Report]) -> list[Report]:
    """Take jumps of the sender's wall clock out, and reports that agree with no neighbour.

    The RTP clock goes on through such a jump, so what came after it is moved to where it would be without.
    """
    epochs: list[list[Report]] = []
    for index, report in enumerate(reports):
        if epochs and abs(_deviation_us(epochs[-1][-1], report)) <= STEP_US:
            epochs[-1].append(report)
        elif not epochs or any(abs(_deviation_us(report, r)) <= STEP_US for r in reports[index + 1 :][:1]):
            epochs.append([report])
    if len(epochs) > 1 and len(epochs[0]) == 1:
        del epochs[0]
    result: list[Report] = []
    for epoch in epochs:
        shift_us = _deviation_us(result[-1], epoch[0]) if result else 0
        result += [report._replace(ntp_us=report.ntp_us - shift_us) for report in epoch]
    return result


def _deviation_us(earlier: Report, later: Report) -> int:
    """How much more time passed on the sender's wall clock than on its RTP clock."""
    return (later.ntp_us - earlier.ntp_us) - (later.rtp_us - earlier.rtp_us)


def _connections(streams: Sequence[_Stream]) -> list[list[int]]:
    """Group streams whose reports were made by one wall clock: they were there at the same time, and their
    clocks differ by no more than delays do. A reload of the page may bring another clock."""
    by_start = sorted(range(len(streams)), key=lambda index: streams[index].readings.start_us)
    groups: list[list[int]] = []
    end_us = 0
    for index in by_start:
        readings = streams[index].readings
        if groups and readings.start_us <= end_us:
            groups[-1].append(index)
            end_us = max(end_us, readings.end_us)
        else:
            groups.append([index])
            end_us = readings.end_us
    return [clocks for group in groups for clocks in _by_offset(streams, group)]


def _by_offset(streams: Sequence[_Stream], group: Sequence[int]) -> list[list[int]]:
    offsets = {
        index: min(report.arrival_us - report.ntp_us for report in streams[index].reports)
        for index in group
        if streams[index].reports
    }
    clusters = [[index] for index in group if index not in offsets]
    previous_us: int | None = None
    for index in sorted(offsets, key=offsets.__getitem__):
        if previous_us is not None and offsets[index] - previous_us <= STEP_US:
            clusters[-1].append(index)
        else:
            clusters.append([index])
        previous_us = offsets[index]
    return clusters


def _stream_clock(stream: _Stream, sender: Line | None) -> StreamClock:
    runs = stream.readings.runs
    starts = tuple(run.start_sequence for run in runs)
    envelopes = [
        lower_envelope(run.minima, min_span_us=MIN_ENVELOPE_SPAN_US, max_rate=MAX_RATE) for run in runs
    ]
    mapped = [
        _through(line, sender) if line is not None and sender is not None else None
        for line in stream.ntp_lines
    ]
    if not all(_plausible(run, line) for run, line in zip(runs, mapped, strict=True) if line is not None):
        return StreamClock(starts, tuple(envelopes), trusted=False)
    # From arrivals to capture, as the runs with reports tell it: for the runs that have none.
    lag_us = 0
    for run, line, envelope in reversed(list(zip(runs, mapped, envelopes, strict=True))):
        if line is not None:
            lag_us = line.at(run.minima[0][0]) - envelope.at(run.minima[0][0])
    lines = []
    for run, line, envelope in zip(runs, mapped, envelopes, strict=True):
        if line is None:
            line = Line(envelope.x0, envelope.y0 + lag_us, envelope.rate)
        else:
            lag_us = line.at(run.minima[-1][0]) - envelope.at(run.minima[-1][0])
        lines.append(line)
    return StreamClock(starts, tuple(lines), trusted=True)


def _through(first: Line, second: Line) -> Line:
    """The line that maps by `first` and then by `second`."""
    return Line(first.x0, second.at(first.y0), (1 + first.rate) * (1 + second.rate) - 1)


def _plausible(run: Run, line: Line) -> bool:
    """Whether packets arrived when a line says they were sampled, give or take half a second, at the
    beginning and at the end."""
    if abs(line.rate) > MAX_RATE:
        return False
    middle = (len(run.minima) + 1) // 2
    halves = [half for half in (run.minima[:middle], run.minima[middle:]) if half]
    return all(
        abs(min(arrival_us - line.at(rtp_us) for rtp_us, arrival_us in half)) <= STEP_US for half in halves
    )
