"""Cost of the RTP layer alone: microseconds of CPU per packet, without SRTP and sockets.

    python -m benchmarks.forwarding [--packets N] [--repeat N]

One publisher sends VP8 (1000-byte payloads with MID, abs-send-time and transport-wide sequence number) to
1, 10 or 30 subscribers whose transports throw packets away. `per forwarded packet` is the whole layer,
reception included, divided by what was sent; `per further subscriber` is what one more copy costs.
Prints JSON: median of the repetitions, with their range.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import struct
import time

from mediaserver.rtp.packet import HEADER, extension_block
from mediaserver.sfu.interfaces import Codec, Downlink, HeaderExtensionIds, Uplink
from mediaserver.sfu.session import RtpSession

FAN_OUT = (0, 1, 10, 30)
EXTENSIONS = HeaderExtensionIds(mid=1, abs_send_time=2, transport_cc=3)
VP8 = Codec("VP8", 90_000, 96)
PACKETS_PER_FRAME = 5


class NullTransport:
    """Takes packets and does nothing with them."""

    writable = True

    def __init__(self) -> None:
        self.sent = 0

    def send_rtp(self, packet: bytes | bytearray | memoryview) -> None:
        self.sent += 1

    def send_rtcp(self, packet: bytes) -> None:
        pass


def stream(count: int) -> list[bytes]:
    """VP8 packets of a publisher, the first of them a keyframe's."""
    packets = []
    for index in range(count):
        frame, part = divmod(index, PACKETS_PER_FRAME)
        block = extension_block([(2, bytes(3)), (3, struct.pack("!H", index & 0xFFFF)), (1, b"0")])
        descriptor = bytes([0x90 if part == 0 else 0x80, 0x80]) + struct.pack("!H", 0x8000 | (frame & 0x7FFF))
        last = part == PACKETS_PER_FRAME - 1
        header = HEADER.pack(0x90, 0xE0 if last else 0x60, index & 0xFFFF, frame * 3000 & 0xFFFFFFFF, 1234)
        packets.append(header + block + descriptor + bytes([0 if frame == 0 else 1]) + bytes(1000))
    return packets


def run(subscribers: int, packets: list[bytes]) -> tuple[float, float]:
    """-> (us of CPU per packet received, per packet forwarded)."""
    publisher = RtpSession(NullTransport(), "server")
    track = publisher.publish(
        Uplink("0", "video", VP8, 97, EXTENSIONS, (1234,), {1234: 1235}),
        track_id="t",
        participant_id="p",
        source="camera",
    )
    transports = []
    for index in range(subscribers):
        transport = NullTransport()
        transports.append(transport)
        downlink = Downlink("0", "video", VP8, 97, EXTENSIONS, 2 * index + 1, 2 * index + 2, "p")
        RtpSession(transport, "server").subscribe(downlink, track)
    on_rtp, on_timer = publisher.on_rtp, publisher.on_timer
    now_us = 1_000_000
    started = time.process_time_ns()
    for index, packet in enumerate(packets):
        now_us += 1_000
        on_rtp(packet, now_us)
        if index % 20 == 0:
            on_timer(now_us)
    spent_us = (time.process_time_ns() - started) / 1000
    sent = sum(transport.sent for transport in transports)
    if sent != subscribers * len(packets):
        raise SystemExit(f"{sent} packets forwarded instead of {subscribers * len(packets)}")
    return spent_us / len(packets), spent_us / sent if sent else 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--packets", type=int, default=20_000)
    parser.add_argument("--repeat", type=int, default=5)
    arguments = parser.parse_args()
    packets = stream(arguments.packets)
    results = []
    received_us: dict[int, float] = {}
    for subscribers in FAN_OUT:
        runs = [run(subscribers, packets) for _ in range(arguments.repeat)]
        received_us[subscribers] = statistics.median(per_received for per_received, _ in runs)
        per_forwarded = [forwarded for _, forwarded in runs]
        result = {
            "subscribers": subscribers,
            "us_per_received_packet": round(received_us[subscribers], 2),
        }
        if subscribers:
            result["us_per_forwarded_packet"] = round(statistics.median(per_forwarded), 2)
            result["range"] = [round(min(per_forwarded), 2), round(max(per_forwarded), 2)]
        results.append(result)
    further_us = (received_us[FAN_OUT[-1]] - received_us[1]) / (FAN_OUT[-1] - 1)
    print(
        json.dumps(
            {
                "python": platform.python_version(),
                "machine": platform.machine(),
                "packets": arguments.packets,
                "results": results,
                "us_per_further_subscriber": round(further_us, 2),
            },
            indent=2,
        )
    )


if __name__ == "__main__":
    main()
