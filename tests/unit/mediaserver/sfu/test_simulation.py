"""A whole path under loss: publisher, two sessions, subscriber, with delays and a virtual clock.

The publisher and the subscriber are models written from the RFCs, not from our code: what the subscriber
has at the end is compared with what the publisher made.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count, pairwise

import pytest

from mediaserver.rtp.packet import HEADER, parse_header, wrap_rtx
from mediaserver.rtp.rtcp import Nack, PictureLoss, ReceiverReport, SenderReport, parse_compound
from mediaserver.rtp.sequence import Unwrapper, timestamp_delta
from mediaserver.rtp.vp8 import parse_descriptor
from mediaserver.sfu.session import RtpSession
from mediaserver.sfu.track import Track
from tests.support.rtp import OPUS, downlink, payload_of, rtp, uplink, vp8_payload

MS = 1000
SECOND = 1_000_000
UP_US, DOWN_US = 15 * MS, 25 * MS
NTP_OFFSET_S = 3_900_000_000
Loss = Callable[[int], bool]


class World:
    """Events in the order of a virtual clock."""

    def __init__(self) -> None:
        self.now_us = SECOND
        self._order = count()
        self._events: list[tuple[int, int, Callable[[], None]]] = []

    def after(self, delay_us: int, action: Callable[[], None]) -> None:
        heapq.heappush(self._events, (self.now_us + delay_us, next(self._order), action))

    def every(self, interval_us: int, action: Callable[[], None]) -> None:
        def repeat() -> None:
            action()
            self.after(interval_us, repeat)

        self.after(interval_us, repeat)

    def run(self, duration_us: int) -> None:
        end_us = self.now_us + duration_us
        while self._events and self._events[0][0] <= end_us:
            self.now_us, _, action = heapq.heappop(self._events)
            action()
        self.now_us = end_us

    @property
    def publisher_ntp(self) -> int:
        """The publisher's clock, which has nothing to do with ours."""
        return ((NTP_OFFSET_S * SECOND + self.now_us) << 32) // SECOND


class Wire:
    """Implements RtpTransport: carries packets to `deliver_*` after a delay, or loses them."""

    writable = True

    def __init__(self, world: World, delay_us: int, loss: Loss) -> None:
        self._world, self._delay_us, self._loss = world, delay_us, loss
        self._sent = 0
        self.lost = 0
        self.deliver_rtp: Callable[[bytes], None] = lambda packet: None
        self.deliver_rtcp: Callable[[bytes], None] = lambda packet: None

    def send_rtp(self, packet: bytes | bytearray | memoryview) -> None:
        self._sent += 1
        if self._loss(self._sent):
            self.lost += 1
            return
        data = bytes(packet)
        # Up to 4 ms of jitter: packets overtake each other.
        self._world.after(self._delay_us + self._sent * 7919 % 4000, lambda: self.deliver_rtp(data))

    def send_rtcp(self, packet: bytes) -> None:
        self._world.after(self._delay_us, lambda: self.deliver_rtcp(packet))


@dataclass
class Captured:
    """What the publisher knows of one frame."""

    ntp_s: float
    payloads: list[bytes]


class Publisher:
    """Camera (VP8, 30 frames/s, 4 packets each) and microphone (20 ms), with RTX and sender reports."""

    def __init__(self, world: World, wire: Wire) -> None:
        self.world, self.wire = world, wire
        self.frames: list[Captured] = []
        self.keyframe_wanted = True
        self.plis = 0
        self.ssrc = 0
        self.restart()
        self.audio_seq, self.audio_ts = 65_500, 4_294_900_000
        self.audio_ntp_s: dict[bytes, float] = {}
        world.every(33_333, self._capture)
        world.every(20_000, self._record)
        world.every(700_000, self._report)

    def restart(self) -> None:
        """Another SSRC with other numbers, as after a reload."""
        self.ssrc += 1000
        self.seq = 65_000 + 137 * self.ssrc
        self.ts = 4_294_000_000 + 999 * self.ssrc
        self.ts_at_us = self.world.now_us
        self.picture_id = 32_700 + self.ssrc
        self.rtx_seq = 0
        self.sent: dict[int, bytes] = {}
        self.keyframe_wanted = True

    def _timestamp(self) -> int:
        return self.ts + (self.world.now_us - self.ts_at_us) * 90 // 1000

    def _capture(self) -> None:
        key, self.keyframe_wanted = self.keyframe_wanted, False
        tag = len(self.frames).to_bytes(4, "big")
        payloads = []
        for index in range(4):
            payload = vp8_payload(self.picture_id & 0x7FFF, key=key, starts=index == 0) + tag + bytes([index])
            packet = rtp(
                payload, seq=self.seq, ts=self._timestamp(), ssrc=self.ssrc, marker=index == 3, mid="0"
            )
            self.sent[self.seq & 0xFFFF] = packet
            self.seq += 1
            self.wire.send_rtp(packet)
            payloads.append(payload)
        self.picture_id += 1
        self.frames.append(Captured(self.world.publisher_ntp / 2**32, payloads))

    def _record(self) -> None:
        payload = b"opus" + len(self.audio_ntp_s).to_bytes(4, "big")
        self.audio_ntp_s[payload] = self.world.publisher_ntp / 2**32
        packet = rtp(payload, seq=self.audio_seq, ts=self.audio_ts, ssrc=5, payload_type=111, mid="1")
        self.wire.send_rtp(packet)
        self.audio_seq += 1
        self.audio_ts += 960

    def _report(self) -> None:
        ntp = self.world.publisher_ntp
        since_us = self.world.now_us - SECOND - 20_000  # the first sample was taken at this instant
        audio_ts = (4_294_900_000 + since_us * 48 // 1000) & 0xFFFFFFFF
        self.wire.send_rtcp(SenderReport(self.ssrc, ntp, self._timestamp() & 0xFFFFFFFF, 0, 0).pack())
        self.wire.send_rtcp(SenderReport(5, ntp, audio_ts, 0, 0).pack())

    def on_rtcp(self, packet: bytes) -> None:
        for member in parse_compound(packet).packets:
            if isinstance(member, PictureLoss):
                self.plis += 1
                self.keyframe_wanted = True
            elif isinstance(member, Nack) and member.media_ssrc == self.ssrc:
                for number in member.lost:
                    self._send_again(number)

    def _send_again(self, number: int) -> None:
        original = self.sent.get(number)
        if original is None:
            return
        header = parse_header(original)
        assert header is not None
        payload = wrap_rtx(number) + payload_of(original)
        self.rtx_seq += 1
        self.wire.send_rtp(
            rtp(
                payload,
                seq=self.rtx_seq,
                ts=header.timestamp,
                ssrc=self.ssrc + 1,
                payload_type=97,
                marker=header.marker,
                mid="0",
            )
        )


@dataclass
class Received:
    payloads: dict[int, bytes] = field(default_factory=dict)
    timestamps: dict[int, int] = field(default_factory=dict)
    report: SenderReport | None = None
    reports: list[SenderReport] = field(default_factory=list)


class Subscriber:
    """Collects what arrives, asks for what is missing."""

    def __init__(self, world: World, wire: Wire) -> None:
        self.world, self.wire = world, wire
        self.video, self.audio = Received(), Received()
        self._unwrap = {7000: Unwrapper(16), 8000: Unwrapper(16)}
        self._by_ssrc = {7000: self.video, 8000: self.audio}
        self._asked_us: dict[int, int] = {}
        self.repaired = 0
        world.every(20_000, self._ask)
        world.every(SECOND, lambda: wire.send_rtcp(ReceiverReport(1).pack()))

    def on_rtp(self, packet: bytes) -> None:
        header = parse_header(packet)
        assert header is not None
        ssrc, number, payload = header.ssrc, header.sequence_number, payload_of(packet)
        if ssrc == 7001:
            assert header.payload_type == 121
            ssrc, number, payload = 7000, int.from_bytes(payload[:2], "big"), payload[2:]
            self.repaired += 1
        received = self._by_ssrc[ssrc]
        extended = self._unwrap[ssrc].unwrap(number)
        received.payloads.setdefault(extended, payload)
        assert received.payloads[extended] == payload
        received.timestamps[extended] = header.timestamp

    def on_rtcp(self, packet: bytes) -> None:
        for member in parse_compound(packet).packets:
            if isinstance(member, SenderReport):
                self._by_ssrc[member.ssrc].reports.append(member)

    def _ask(self) -> None:
        have = self.video.payloads
        if not have:
            return
        missing = [
            n
            for n in range(min(have), max(have))
            if n not in have and self.world.now_us - self._asked_us.get(n, 0) > 80_000
        ]
        for number in missing:
            self._asked_us[number] = self.world.now_us
        if missing:
            self.wire.send_rtcp(Nack(1, 7000, tuple(n & 0xFFFF for n in missing[:200])).pack())


class Call:
    """Everything wired together."""

    def __init__(self, up_loss: Loss, down_loss: Loss) -> None:
        self.world = world = World()
        # Towards the server, and what the server sends back to each side.
        self.up, from_server = Wire(world, UP_US, up_loss), Wire(world, UP_US, never)
        self.down, to_server = Wire(world, DOWN_US, down_loss), Wire(world, DOWN_US, never)
        self.publishing = RtpSession(from_server, "server")
        self.subscribing = RtpSession(self.down, "server")
        self.camera: Track = self.publishing.publish(
            uplink(), track_id="camera", participant_id="p", source="camera"
        )
        self.microphone: Track = self.publishing.publish(
            uplink(OPUS, mid="1"), track_id="microphone", participant_id="p", source="microphone"
        )
        self.subscribing.subscribe(downlink(ssrc=7000), self.camera)
        self.subscribing.subscribe(downlink(OPUS, ssrc=8000), self.microphone)
        self.publisher = Publisher(world, self.up)
        self.subscriber = Subscriber(world, to_server)
        self.up.deliver_rtp = lambda packet: self.publishing.on_rtp(packet, world.now_us)
        self.up.deliver_rtcp = lambda packet: self.publishing.on_rtcp(packet, world.now_us)
        from_server.deliver_rtcp = self.publisher.on_rtcp
        self.down.deliver_rtp = self.subscriber.on_rtp
        self.down.deliver_rtcp = self.subscriber.on_rtcp
        to_server.deliver_rtcp = lambda packet: self.subscribing.on_rtcp(packet, world.now_us)
        world.every(20_000, lambda: self.publishing.on_timer(world.now_us))
        world.every(20_000, lambda: self.subscribing.on_timer(world.now_us))

    def end_loss(self) -> None:
        """Let what is under way arrive, and be repaired."""
        self.up._loss = self.down._loss = never
        self.world.run(SECOND)

    @property
    def frames(self) -> list[tuple[int, bytes]]:
        """(picture id, tag of the publisher's frame) of every complete frame, in sequence."""
        video = self.subscriber.video.payloads
        found: list[tuple[int, bytes]] = []
        ids = Unwrapper(15)
        for number in sorted(video):
            payload = video[number]
            descriptor = parse_descriptor(payload, 0, len(payload))
            assert descriptor is not None and descriptor.picture_id is not None
            if descriptor.starts_frame:
                parts = [video.get(number + index, b"") for index in range(4)]
                if [part[-1:] for part in parts] == [bytes([index]) for index in range(4)]:
                    found.append((ids.unwrap(descriptor.picture_id), payload[-5:-1]))
        return found


def never(packet: int) -> bool:
    return False


def randomly(seed: int, share: float) -> Loss:
    generator = random.Random(seed)
    return lambda packet: generator.random() < share


def in_bursts(every: int, length: int) -> Loss:
    return lambda packet: packet % every >= every - length


PATTERNS = {
    "none": (never, never),
    "5% up": (randomly(1, 0.05), never),
    "5% down": (never, randomly(2, 0.05)),
    "10% both": (randomly(3, 0.1), randomly(4, 0.1)),
    "bursts": (in_bursts(150, 12), in_bursts(230, 20)),
}


@pytest.mark.parametrize("pattern", PATTERNS)
def test_every_frame_arrives_whole_and_in_order_whatever_is_lost(pattern: str) -> None:
    call = Call(*PATTERNS[pattern])
    call.world.run(10 * SECOND)
    call.end_loss()
    video = call.subscriber.video.payloads
    # Up to the newest frames, which are still under way.
    newest = max(video) - 20
    assert [n for n in range(min(video), newest) if n not in video] == []
    frames = [
        frame for frame in call.frames if frame[1] < (len(call.publisher.frames) - 8).to_bytes(4, "big")
    ]
    assert len(frames) >= 300
    assert all(later[0] == earlier[0] + 1 for earlier, later in pairwise(frames))
    tags = [int.from_bytes(tag, "big") for _, tag in frames]
    assert tags == list(range(tags[0], tags[0] + len(tags)))
    assert tags[0] <= 15
    assert call.publisher.plis <= 3
    if pattern != "none":
        assert call.up.lost + call.down.lost > 20
        assert call.camera.stats().recovered + call.subscriber.repaired > 20


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_publisher_that_starts_anew_does_not_break_the_subscribers_stream(pattern: str) -> None:
    call = Call(*PATTERNS[pattern])
    call.world.run(3 * SECOND)
    for _ in range(3):
        call.publisher.restart()
        call.world.run(3 * SECOND)
    call.end_loss()
    frames = call.frames
    video = call.subscriber.video.payloads
    gaps = [n for n in range(min(video), max(video) - 20) if n not in video]
    # What the publisher lost just before it started anew can no longer be repaired.
    assert len(gaps) <= 3 * 12
    assert len(frames) > 380 - 3 * 12
    ids = [picture_id for picture_id, _ in frames]
    assert all(0 < later - earlier <= 12 for earlier, later in pairwise(ids))
    if pattern == "none":
        assert gaps == []
        assert ids == list(range(ids[0], ids[0] + len(ids)))
    timestamps = call.subscriber.video.timestamps
    steps = [
        timestamp_delta(timestamps[later], timestamps[earlier])
        for earlier, later in pairwise(sorted(timestamps))
    ]
    assert all(0 <= step < 90_000 for step in steps)


@pytest.mark.parametrize("pattern", ["none", "10% both"])
def test_audio_and_video_stay_on_the_publishers_clock(pattern: str) -> None:
    call = Call(*PATTERNS[pattern])
    call.world.run(4 * SECOND)
    call.publisher.restart()
    call.world.run(4 * SECOND)
    call.end_loss()
    subscriber, publisher = call.subscriber, call.publisher

    def ntp_s(report: SenderReport, timestamp: int, clock_rate: int) -> float:
        return report.ntp / 2**32 + timestamp_delta(timestamp, report.rtp_timestamp) / clock_rate

    assert len(subscriber.video.reports) >= 8 and len(subscriber.audio.reports) >= 8
    checked = 0
    for received, clock_rate in ((subscriber.video, 90_000), (subscriber.audio, 48_000)):
        report = received.reports[-1]
        for number, payload in received.payloads.items():
            if clock_rate == 90_000:
                frame = int.from_bytes(payload[-5:-1], "big")
                if frame < len(publisher.frames) - 100:
                    continue  # of the former source: it has its own reports
                captured_s = publisher.frames[frame].ntp_s
            else:
                captured_s = publisher.audio_ntp_s[payload]
            assert abs(ntp_s(report, received.timestamps[number], clock_rate) - captured_s) < 0.001
            checked += 1
    assert checked > 600


def test_round_trip_and_loss_are_measured() -> None:
    call = Call(randomly(5, 0.05), never)
    call.world.run(5 * SECOND)
    camera, _ = call.publishing.stats(call.world.now_us).tracks
    assert 0.02 < camera.packets_lost / camera.packets < 0.09
    assert camera.recovered == pytest.approx(camera.packets_lost, abs=8)
    assert 0 < camera.jitter_ms < 5
    assert HEADER.size == 12
