"""RTP packets of real encoded media, for tests that need what a browser would send.

`video_source` and `audio_source` encode synthetic content with PyAV, packetize it (VP8: RFC 7741, H.264:
RFC 6184 mode 1, Opus: RFC 7587) and add the sender reports of RFC 3550. The content can be checked in
whatever is made of it: the picture has one colour per source, flashes white during the first 80 ms of every
second and carries a frame counter; the sound is a beep of 80 ms at the same instants.

All times are microseconds since the scenario's zero; `play` adds the server clock's value of that zero.
"""

from __future__ import annotations

import heapq
import random
import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import NamedTuple

import av
import numpy as np
import numpy.typing as npt

from mediaserver.sfu.interfaces import Codec, RtpSink, TrackKind, TrackSource

NTP_UNIX_OFFSET_S = 2_208_988_800
SCENARIO_UNIX_US = 1_700_000_000_000_000
"""What the senders' wall clocks show at the scenario's zero."""

FLASH_US = 80_000
FLASH_LUMA = 235
COUNTER_BITS = 16
MAX_PAYLOAD = 1100

VP8 = Codec(name="VP8", clock_rate=90_000, payload_type=96)
H264 = Codec(
    name="H264",
    clock_rate=90_000,
    payload_type=102,
    parameters={"packetization-mode": "1", "profile-level-id": "42e01f", "level-asymmetry-allowed": "1"},
)
OPUS = Codec(name="opus", clock_rate=48_000, payload_type=111, channels=2)


class Colour(NamedTuple):
    """A BT.601 limited-range colour, dark enough (luma below 120) for the flash to stand out."""

    y: int
    u: int
    v: int


RED = Colour(81, 90, 220)
GREEN = Colour(100, 54, 60)
BLUE = Colour(41, 220, 110)
GREY = Colour(90, 128, 128)


@dataclass(frozen=True, slots=True)
class Sample:
    """One encoded frame and the instant its content was captured."""

    capture_us: int
    data: bytes
    keyframe: bool
    rtp_timestamp: int


@dataclass(frozen=True, slots=True)
class Rtp:
    at_us: int
    packet: bytes


@dataclass(frozen=True, slots=True)
class Report:
    at_us: int
    ssrc: int
    ntp: int
    rtp_timestamp: int


SourceEvent = Rtp | Report


@dataclass(frozen=True, slots=True)
class RtpSource:
    """One stream: `samples` is what was encoded, `events` what leaves the sender, in order of time."""

    kind: TrackKind
    source: TrackSource
    codec: Codec
    ssrc: int
    samples: Sequence[Sample]
    events: Sequence[SourceEvent]

    def packets(self) -> list[bytes]:
        return [event.packet for event in self.events if isinstance(event, Rtp)]


@dataclass
class FakeTrack:
    """A `PublishedTrack` driven by a test."""

    kind: TrackKind
    source: TrackSource
    codec: Codec
    track_id: str = "track-1"
    participant_id: str = "participant-1"
    sinks: list[RtpSink] = field(default_factory=list)
    keyframe_requests_us: list[int] = field(default_factory=list)

    @classmethod
    def of(cls, source: RtpSource, *, track_id: str, participant_id: str) -> FakeTrack:
        return cls(source.kind, source.source, source.codec, track_id, participant_id)

    def add_sink(self, sink: RtpSink) -> None:
        self.sinks.append(sink)

    def remove_sink(self, sink: RtpSink) -> None:
        if sink in self.sinks:
            self.sinks.remove(sink)

    def request_keyframe(self, now_us: int) -> None:
        self.keyframe_requests_us.append(now_us)


def video_source(
    codec: Codec = VP8,
    *,
    duration_s: float = 2.0,
    start_us: int = 0,
    width: int = 320,
    height: int = 240,
    fps: int = 25,
    colour: Colour = RED,
    source: TrackSource = "camera",
    ssrc: int = 0x1111,
    first_sequence: int = 1000,
    first_timestamp: int = 90_000,
    keyframe_every: int = 10_000,
    bit_rate: int = 600_000,
    encode_delay_us: int = 0,
    first_counter: int = 0,
    unix_us: int = SCENARIO_UNIX_US,
) -> RtpSource:
    """A camera or screen: `colour` with counter bars and a flash at each full second of the scenario.

    Several sources one after the other (`start_us`, `first_sequence`, `first_counter`, `width`, `height`)
    make a resolution change or a reconnect.
    """
    encode = _encoder(codec, width, height, fps, bit_rate, keyframe_every)
    samples: list[Sample] = []
    pictures: list[list[bytes]] = []
    for index in range(round(duration_s * fps)):
        capture_us = start_us + index * 1_000_000 // fps
        picture = draw_picture(width, height, colour, first_counter + index, flash=in_flash(capture_us))
        rtp_timestamp = (first_timestamp + (capture_us - start_us) * 90 // 1000) & 0xFFFFFFFF
        for data, keyframe in encode(picture):
            samples.append(Sample(capture_us, data, keyframe, rtp_timestamp))
            pictures.append(packetize(codec, data, (first_counter + index) & 0x7FFF))
    return _packets(
        "video", source, codec, ssrc, samples, pictures, first_sequence, encode_delay_us, 1_000_000, unix_us
    )


def audio_source(
    *,
    duration_s: float = 2.0,
    start_us: int = 0,
    beep_hz: int = 1000,
    source: TrackSource = "microphone",
    ssrc: int = 0x2222,
    first_sequence: int = 2000,
    first_timestamp: int = 48_000,
    drift_ppm: float = 0.0,
    encode_delay_us: int = 0,
    unix_us: int = SCENARIO_UNIX_US,
) -> RtpSource:
    """A microphone: a beep of 80 ms at each full second of the scenario, 20 ms Opus packets.

    Args:
        drift_ppm: how much faster than nominal the sound card runs; sender reports tell the truth about it.
    """
    context = av.CodecContext.create("libopus", "w")
    context.sample_rate = 48_000
    context.layout = "mono"
    context.format = "s16"
    context.bit_rate = 32_000
    context.options = {"application": "voip"}
    rate = 1 + drift_ppm * 1e-6
    samples: list[Sample] = []
    for index in range(round(duration_s * 50)):
        capture_us = start_us + round(index * 20_000 / rate)
        seconds = capture_us * 1e-6 + np.arange(960) / (48_000 * rate)
        wave = np.where((seconds % 1.0) < FLASH_US * 1e-6, np.sin(2 * np.pi * beep_hz * seconds), 0.0)
        frame = av.AudioFrame.from_ndarray(
            (wave * 16_000).astype(np.int16).reshape(1, -1), format="s16", layout="mono"
        )
        frame.sample_rate = 48_000
        frame.pts = index * 960
        frame.time_base = Fraction(1, 48_000)
        rtp_timestamp = (first_timestamp + index * 960) & 0xFFFFFFFF
        for packet in context.encode(frame):
            samples.append(Sample(capture_us, bytes(packet), True, rtp_timestamp))
    payloads = [[sample.data] for sample in samples]
    return _packets(
        "audio",
        source,
        OPUS,
        ssrc,
        samples,
        payloads,
        first_sequence,
        encode_delay_us,
        2_000_000,
        unix_us,
        rate,
    )


def in_flash(at_us: int) -> bool:
    return at_us % 1_000_000 < FLASH_US


def draw_picture(width: int, height: int, colour: Colour, counter: int, *, flash: bool) -> av.VideoFrame:
    """One I420 picture: counter bars (16 bits, most significant left) in the top eighth, colour below."""
    planes = np.empty((height * 3 // 2, width), np.uint8)
    luma = planes[:height]
    luma[:] = FLASH_LUMA if flash else colour.y
    bar_width = width // COUNTER_BITS
    for bit in range(COUNTER_BITS):
        on = counter >> (COUNTER_BITS - 1 - bit) & 1
        luma[: height // 8, bit * bar_width : (bit + 1) * bar_width] = 235 if on else 16
    # Something new in every picture, so that frames cost several packets like a camera's.
    noise = np.random.default_rng(counter).integers(50, 120, (height // 4, width // 4), np.uint8)
    luma[height // 2 : height // 2 + height // 4, width // 3 : width // 3 + width // 4] = noise
    chroma = planes[height:].reshape(2, -1)
    chroma[0], chroma[1] = (128, 128) if flash else (colour.u, colour.v)
    return av.VideoFrame.from_ndarray(planes, format="yuv420p")


def read_counter(luma: npt.NDArray[np.uint8]) -> int:
    """The counter drawn by `draw_picture`, from a luma plane (height x width) of any size."""
    height, width = luma.shape
    row = luma[height // 32 : height // 10]
    bar = width / COUNTER_BITS
    value = 0
    for bit in range(COUNTER_BITS):
        cell = row[:, int((bit + 0.25) * bar) : int((bit + 0.75) * bar)]
        value = value << 1 | int(cell.mean() > 125)
    return value


def packetize(codec: Codec, data: bytes, picture_id: int) -> list[bytes]:
    """The RTP payloads of one encoded frame."""
    match codec.name:
        case "VP8":
            return _packetize_vp8(data, picture_id)
        case "H264":
            return _packetize_h264(data)
        case _:
            return [data]


def rtp_packet(
    codec: Codec, sequence_number: int, timestamp: int, ssrc: int, payload: bytes, *, marker: bool
) -> bytes:
    return (
        struct.pack(
            "!BBHII",
            0x80,
            codec.payload_type | (0x80 if marker else 0),
            sequence_number & 0xFFFF,
            timestamp & 0xFFFFFFFF,
            ssrc,
        )
        + payload
    )


def split_annex_b(data: bytes) -> list[bytes]:
    """The NAL units of an Annex B byte stream, without start codes."""
    units = []
    for part in data.split(b"\x00\x00\x01")[1:]:
        units.append(part.rstrip(b"\x00"))
    return units


@dataclass(frozen=True, slots=True)
class Network:
    """What happens between a sender and the server. Deterministic for a seed."""

    delay_us: int = 20_000
    jitter_us: int = 0
    loss: float = 0.0
    duplicates: float = 0.0
    reordering: float = 0.0
    """Share of packets that arrive up to 10 places late."""
    drop: Callable[[int], bool] | None = None
    """Called with the packet's index in its stream; true drops it."""
    seed: int = 1

    def carry(self, source: RtpSource) -> RtpSource:
        """The same stream as it arrives: events in arrival order."""
        rng = random.Random(self.seed)
        arrived: list[SourceEvent] = []
        previous_us = -(1 << 62)
        index = 0
        for event in source.events:
            at_us = max(event.at_us + self.delay_us + int(rng.random() * self.jitter_us), previous_us)
            previous_us = at_us
            if isinstance(event, Rtp):
                index += 1
                if rng.random() < self.loss or (self.drop is not None and self.drop(index - 1)):
                    continue
                if rng.random() < self.duplicates:
                    arrived.append(replace(event, at_us=at_us))
            arrived.append(replace(event, at_us=at_us))
        for position in range(len(arrived)):
            if rng.random() < self.reordering:
                other = min(position + rng.randint(1, 10), len(arrived) - 1)
                one, two = arrived[position], arrived[other]
                arrived[position] = replace(two, at_us=one.at_us)
                arrived[other] = replace(one, at_us=two.at_us)
        return replace(source, events=arrived)


def play(pairs: Iterable[tuple[RtpSource, RtpSink]], *, base_us: int = 0) -> None:
    """Hand all events to their sinks, merged in order of time. Nothing sleeps."""
    streams = list(pairs)
    timed = [
        [(event.at_us, number, event) for event in source.events]
        for number, (source, _) in enumerate(streams)
    ]
    for at_us, number, event in heapq.merge(*timed, key=lambda item: item[:2]):
        feed(streams[number][1], event, base_us + at_us)


def feed(sink: RtpSink, event: SourceEvent, arrival_us: int) -> None:
    if isinstance(event, Rtp):
        sink.on_rtp(event.packet, arrival_us)
    else:
        sink.on_sender_report(event.ssrc, event.ntp, event.rtp_timestamp, arrival_us)


def ntp_from_unix_us(unix_us: int) -> int:
    """64-bit NTP time (RFC 3550 section 4)."""
    seconds, micros = divmod(unix_us, 1_000_000)
    return (seconds + NTP_UNIX_OFFSET_S) << 32 | (micros << 32) // 1_000_000


def _encoder(
    codec: Codec, width: int, height: int, fps: int, bit_rate: int, keyframe_every: int
) -> Callable[[av.VideoFrame], list[tuple[bytes, bool]]]:
    if codec.name == "VP8":
        context = av.CodecContext.create("libvpx", "w")
        context.options = {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0", "auto-alt-ref": "0"}
    else:
        context = av.CodecContext.create("libx264", "w")
        context.options = {"profile": "baseline", "preset": "ultrafast", "tune": "zerolatency"}
    context.width, context.height = width, height
    context.pix_fmt = "yuv420p"
    context.time_base = Fraction(1, fps)
    context.framerate = Fraction(fps)
    context.bit_rate = bit_rate
    context.gop_size = keyframe_every
    context.thread_count = 1
    count = 0

    def encode(picture: av.VideoFrame) -> list[tuple[bytes, bool]]:
        nonlocal count
        picture.pts = count
        picture.time_base = Fraction(1, fps)
        count += 1
        return [(bytes(packet), packet.is_keyframe) for packet in context.encode(picture)]

    return encode


def _packets(
    kind: TrackKind,
    source: TrackSource,
    codec: Codec,
    ssrc: int,
    samples: list[Sample],
    payloads: list[list[bytes]],
    first_sequence: int,
    encode_delay_us: int,
    report_every_us: int,
    unix_us: int,
    rate: float = 1.0,
) -> RtpSource:
    events: list[SourceEvent] = []
    sequence_number = first_sequence
    next_report_us = samples[0].capture_us + 200_000
    for sample, parts in zip(samples, payloads, strict=True):
        sent_us = sample.capture_us + encode_delay_us
        while next_report_us <= sent_us:
            # The media clock read at the same instant as the wall clock, as a browser does it.
            ticks = (next_report_us - samples[0].capture_us) * codec.clock_rate * rate / 1e6
            timestamp = (samples[0].rtp_timestamp + round(ticks)) & 0xFFFFFFFF
            events.append(Report(next_report_us, ssrc, ntp_from_unix_us(unix_us + next_report_us), timestamp))
            next_report_us += report_every_us
        for number, payload in enumerate(parts):
            # Browsers set the marker on a video frame's last packet; on audio it marks a talk spurt.
            marker = kind == "video" and number == len(parts) - 1
            packet = rtp_packet(codec, sequence_number, sample.rtp_timestamp, ssrc, payload, marker=marker)
            events.append(Rtp(sent_us + number * 100, packet))
            sequence_number += 1
    return RtpSource(kind, source, codec, ssrc, samples, events)


def _packetize_vp8(data: bytes, picture_id: int) -> list[bytes]:
    payloads = []
    for offset in range(0, len(data), MAX_PAYLOAD):
        start = 0x10 if offset == 0 else 0
        descriptor = struct.pack("!BBH", 0x80 | start, 0x80, 0x8000 | picture_id)
        payloads.append(descriptor + data[offset : offset + MAX_PAYLOAD])
    return payloads


def _packetize_h264(data: bytes) -> list[bytes]:
    """Parameter sets in one STAP-A, large units in FU-A, the rest as single NAL units."""
    payloads: list[bytes] = []
    aggregated: list[bytes] = []
    for unit in split_annex_b(data):
        if unit[0] & 0x1F in (7, 8):
            aggregated.append(unit)
            continue
        if aggregated:
            payloads.append(_stap_a(aggregated))
            aggregated = []
        payloads.extend([unit] if len(unit) <= MAX_PAYLOAD else _fu_a(unit))
    if aggregated:
        payloads.append(_stap_a(aggregated))
    return payloads


def _stap_a(units: list[bytes]) -> bytes:
    nri = max(unit[0] & 0x60 for unit in units)
    return bytes([nri | 24]) + b"".join(struct.pack("!H", len(unit)) + unit for unit in units)


def _fu_a(unit: bytes) -> list[bytes]:
    indicator = unit[0] & 0x60 | 28
    unit_type = unit[0] & 0x1F
    body = unit[1:]
    pieces = [body[offset : offset + MAX_PAYLOAD] for offset in range(0, len(body), MAX_PAYLOAD)]
    fragments = []
    for number, piece in enumerate(pieces):
        flags = (0x80 if number == 0 else 0) | (0x40 if number == len(pieces) - 1 else 0)
        fragments.append(bytes([indicator, flags | unit_type]) + piece)
    return fragments
