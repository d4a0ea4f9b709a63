"""A process that captures until it is killed.

    python -m tests.support.capture_child <root> <streams> <progress>

`streams` is a pickled list of `RtpSource`, played in real time with the product's default settings.
`progress` gets, for each stream, the instant of the last packet handed to capture: 8 bytes each,
microseconds since the recording's start, written after the fact so that it never claims too much.
"""

from __future__ import annotations

import asyncio
import os
import pickle
import struct
import sys
import uuid
from pathlib import Path

from mediaserver.sfu.interfaces import RtpSink
from recorder.capture import Capture
from recorder.instants import read_clocks
from recorder.settings import RecorderSettings
from recorder.writer import CaptureWriter
from tests.support.rtp_source import FakeTrack, Rtp, RtpSource, feed


async def main(root: Path, streams: list[RtpSource], progress_fd: int) -> None:
    settings = RecorderSettings(directory=root, min_free_bytes=0, stop_free_bytes=0)
    writer = CaptureWriter(
        max_pending_bytes=settings.max_pending_bytes,
        flush_interval_s=settings.flush_interval_s,
        sync_interval_s=settings.sync_interval_s,
    )
    capture = Capture(settings, writer, recording_id=uuid.uuid4(), details={}, on_failure=print)
    sinks: list[RtpSink] = []
    for number, stream in enumerate(streams):
        track = FakeTrack.of(stream, track_id=str(number), participant_id="p1")
        sink = capture.add_track(track, participant_name="Ana", role="requester")
        assert sink is not None
        sinks.append(sink)
    print("ready", flush=True)
    positions = [0] * len(streams)
    while True:
        now_us = read_clocks().mono_us - capture.started.mono_us
        for number, stream in enumerate(streams):
            events = stream.events
            while positions[number] < len(events) and events[positions[number]].at_us <= now_us:
                event = events[positions[number]]
                feed(sinks[number], event, capture.started.mono_us + event.at_us)
                positions[number] += 1
                if isinstance(event, Rtp):
                    os.pwrite(progress_fd, struct.pack("!q", event.at_us), 8 * number)
        await asyncio.sleep(0.005)


if __name__ == "__main__":
    asyncio.run(
        main(
            Path(sys.argv[1]),
            pickle.loads(Path(sys.argv[2]).read_bytes()),
            os.open(sys.argv[3], os.O_WRONLY | os.O_CREAT),
        )
    )
