from __future__ import annotations

import stat
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mediaserver.sfu.interfaces import RtpSink
from recorder.capture import Capture
from recorder.errors import DiskLowError, RecordingExistsError
from recorder.instants import Instant
from recorder.journal import JournalRecord, read_journal
from recorder.mjr import MjrReader
from recorder.track_capture import MAX_OPEN_FILES
from recorder.writer import CaptureWriter
from tests.support import capturing
from tests.support.rtp_source import (
    OPUS,
    VP8,
    FakeTrack,
    Network,
    audio_source,
    play,
    rtp_packet,
    video_source,
)

SECOND = 1_000_000


class FakeClock:
    def __init__(self) -> None:
        self.mono_us = 1_000 * SECOND

    def __call__(self) -> Instant:
        return Instant(self.mono_us, 1_700_000_000 * SECOND + self.mono_us)


@pytest.fixture
async def writer(tmp_path: Path) -> AsyncIterator[CaptureWriter]:
    made = capturing.writer(capturing.settings(tmp_path))
    yield made
    await made.aclose()


@asynccontextmanager
async def capture_in(
    tmp_path: Path, writer: CaptureWriter, failures: list[str] | None = None, **changes: object
) -> AsyncIterator[Capture]:
    capture = Capture(
        capturing.settings(tmp_path, **changes),
        writer,
        recording_id=uuid.uuid4(),
        details={"title": "../x"},
        on_failure=(failures if failures is not None else []).append,
        clock=FakeClock(),
    )
    try:
        yield capture
    finally:
        await capture.stop("test")


def sink_of(capture: Capture, track: FakeTrack) -> RtpSink:
    sink = capture.add_track(track, participant_name="A", role="agent")
    assert sink is not None
    return sink


def journal(capture: Capture) -> list[JournalRecord]:
    return list(read_journal(capture.directory / "events.jsonl"))


def events(capture: Capture, type_: str) -> list[dict[str, Any]]:
    return [record.data for record in journal(capture) if record.type == type_]


def packets_of(path: Path) -> list[bytes]:
    with MjrReader(path) as reader:
        return [record.packet for record in reader]


def video_track(number: int = 1) -> FakeTrack:
    return FakeTrack("video", "camera", VP8, track_id=f"v{number}")


def audio_track() -> FakeTrack:
    return FakeTrack("audio", "microphone", OPUS, track_id="a")


def interframe(sequence: int, ssrc: int = 7) -> bytes:
    return rtp_packet(VP8, sequence, sequence * 3000, ssrc, b"\x10\x01" + bytes(50), marker=True)


def keyframe(sequence: int, ssrc: int = 7) -> bytes:
    return rtp_packet(VP8, sequence, sequence * 3000, ssrc, b"\x10\x00" + bytes(50), marker=True)


async def test_every_packet_is_in_the_file_as_it_arrived(tmp_path: Path, writer: CaptureWriter) -> None:
    video = Network(jitter_us=20_000, loss=0.05, reordering=0.1, duplicates=0.05).carry(video_source())
    audio = audio_source()
    async with capture_in(tmp_path, writer) as capture:
        pairs = []
        for source in (video, audio):
            track = FakeTrack.of(source, track_id=source.kind, participant_id="p")
            pairs.append((source, sink_of(capture, track)))
        play(pairs, base_us=5)
    assert packets_of(capture.directory / "001-video-1.mjr") == video.packets()
    assert packets_of(capture.directory / "002-audio-1.mjr") == audio.packets()
    assert capture.counters.packets == len(video.packets()) + len(audio.packets())
    assert len(events(capture, "sender_report")) == sum(
        len(source.events) - len(source.packets()) for source in (video, audio)
    )


async def test_directory_and_files_are_private_and_named_by_date_and_id(
    tmp_path: Path, writer: CaptureWriter
) -> None:
    root = tmp_path / "rec"
    async with capture_in(root, writer) as capture:
        sink = capture.add_track(video_track(), participant_name="../../etc", role="x")
        assert sink is not None
        sink.on_rtp(interframe(1), 1)
    assert capture.directory == root / "2023" / "11" / "14" / str(capture.recording_id)
    directories = [root, *(path for path in root.rglob("*") if path.is_dir())]
    assert {stat.S_IMODE(path.stat().st_mode) for path in directories} == {0o700}
    files = [path for path in root.rglob("*") if path.is_file()]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert {path.name for path in files} == {"session.json", "events.jsonl", "001-video-1.mjr"}


async def test_recording_is_never_written_over_another(tmp_path: Path, writer: CaptureWriter) -> None:
    async with capture_in(tmp_path, writer) as capture:
        with pytest.raises(RecordingExistsError):
            Capture(
                capturing.settings(tmp_path),
                writer,
                recording_id=capture.recording_id,
                details={},
                on_failure=print,
                clock=FakeClock(),
            )


async def test_start_is_refused_when_the_disk_is_low(tmp_path: Path, writer: CaptureWriter) -> None:
    with pytest.raises(DiskLowError):
        Capture(
            capturing.settings(tmp_path / "rec", min_free_bytes=1 << 60),
            writer,
            recording_id=uuid.uuid4(),
            details={},
            on_failure=print,
        )
    assert list((tmp_path / "rec").iterdir()) == []


async def test_running_out_of_space_is_told_once_and_noted(tmp_path: Path, writer: CaptureWriter) -> None:
    failures: list[str] = []
    async with capture_in(tmp_path, writer, failures) as capture:
        capture._failed("disk_low")
    assert failures == ["disk_low"]
    assert events(capture, "capture_failed") == [{"reason": "disk_low"}]


async def test_new_ssrc_is_a_new_file_of_the_same_track(tmp_path: Path, writer: CaptureWriter) -> None:
    async with capture_in(tmp_path, writer) as capture:
        sink = sink_of(capture, video_track())
        for sequence, ssrc in [(1, 7), (2, 8), (2, 7), (3, 8)]:
            sink.on_rtp(interframe(sequence, ssrc), sequence * 1000)
    assert packets_of(capture.directory / "001-video-1.mjr") == [interframe(1, 7), interframe(2, 7)]
    assert packets_of(capture.directory / "001-video-2.mjr") == [interframe(2, 8), interframe(3, 8)]
    assert [
        (event["file"], event["ssrc"], event["first_us"]) for event in events(capture, "file_opened")
    ] == [
        ("001-video-1.mjr", 7, 1000),
        ("001-video-2.mjr", 8, 2000),
    ]


async def test_full_file_is_followed_by_another(tmp_path: Path, writer: CaptureWriter) -> None:
    block = bytes(60_000)
    async with capture_in(tmp_path, writer, max_file_bytes=1 << 20) as capture:
        sink = sink_of(capture, audio_track())
        sent = [rtp_packet(OPUS, n, n * 960, 7, block, marker=False) for n in range(40)]
        for number, packet in enumerate(sent):
            sink.on_rtp(packet, number * 20_000)
    files = sorted(capture.directory.glob("*.mjr"))
    assert len(files) == 3
    assert [packet for path in files for packet in packets_of(path)] == sent


async def test_number_of_files_is_bounded(tmp_path: Path, writer: CaptureWriter) -> None:
    async with capture_in(tmp_path, writer, max_files_per_track=10) as capture:
        sink = sink_of(capture, audio_track())
        for number in range(100):
            sink.on_rtp(rtp_packet(OPUS, number, 0, number, b"x", marker=False), number)
        # Those that have a file go on.
        sink.on_rtp(rtp_packet(OPUS, 100, 0, 9, b"x", marker=False), 100)
    assert len(list(capture.directory.glob("*.mjr"))) == 10
    assert capture.counters.dropped_packets == 90
    assert events(capture, "overflow_started") == [{"track": 1, "cause": "too_many_files"}]
    assert events(capture, "overflow_ended") == [{"track": 1, "packets": 90}]


async def test_only_a_few_files_of_a_track_are_open(tmp_path: Path, writer: CaptureWriter) -> None:
    async with capture_in(tmp_path, writer) as capture:
        sink = sink_of(capture, audio_track())
        for number in range(20):
            sink.on_rtp(rtp_packet(OPUS, number, 0, number, b"x", marker=False), number)
        open_files = [
            file for file in capture._group.files if file.path.suffix == ".mjr" and not file.closing
        ]
        assert len(open_files) == MAX_OPEN_FILES


async def test_overflow_is_counted_noted_and_followed_by_a_keyframe(
    tmp_path: Path, writer: CaptureWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    track = video_track()
    async with capture_in(tmp_path, writer) as capture:
        sink = sink_of(capture, track)
        sink.on_rtp(keyframe(1), 0)
        with monkeypatch.context() as stalled:
            stalled.setattr(writer, "max_pending_bytes", 0)
            for sequence in range(2, 12):
                sink.on_rtp(interframe(sequence), 2 * SECOND + sequence)
        sink.on_rtp(interframe(12), 2 * SECOND + 12)
    assert capture.counters.dropped_packets == 10
    assert packets_of(capture.directory / "001-video-1.mjr") == [keyframe(1), interframe(12)]
    assert events(capture, "overflow_started") == [{"track": 1, "cause": "disk_slow"}]
    assert events(capture, "overflow_ended") == [{"track": 1, "packets": 10}]
    assert [event["cause"] for event in events(capture, "keyframe_requested")] == ["start", "overflow"]
    assert track.keyframe_requests_us[1:] == [2 * SECOND + 2]


async def test_events_that_find_no_room_are_counted_and_leave_no_hole(
    tmp_path: Path, writer: CaptureWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with capture_in(tmp_path, writer) as capture:
        with monkeypatch.context() as stalled:
            stalled.setattr(writer, "max_pending_bytes", -(1 << 30))
            assert not capture.event("lost", n=1)
            assert not capture.event("lost", n=2)
        assert capture.event("kept")
    assert [record.type for record in journal(capture)] == [
        "recording_started",
        "events_dropped",
        "kept",
        "recording_stopped",
    ]
    assert events(capture, "events_dropped") == [{"events": 2}]


async def test_keyframe_is_asked_for_at_the_start_and_until_one_comes(
    tmp_path: Path, writer: CaptureWriter
) -> None:
    track = video_track()
    async with capture_in(tmp_path, writer) as capture:
        sink = sink_of(capture, track)
        assert len(track.keyframe_requests_us) == 1
        for sequence in range(1, 100):
            sink.on_rtp(interframe(sequence), sequence * 20_000)
        sink.on_rtp(keyframe(100), 100 * 20_000)
        for sequence in range(101, 400):
            sink.on_rtp(interframe(sequence), sequence * 20_000)
    assert track.keyframe_requests_us[1:] == [520_000, 1_520_000]


async def test_unrepaired_gap_is_followed_by_a_keyframe_request(
    tmp_path: Path, writer: CaptureWriter
) -> None:
    track = video_track()
    async with capture_in(tmp_path, writer) as capture:
        sink = sink_of(capture, track)
        sink.on_rtp(keyframe(1), 20_000)
        for sequence in range(2, 200):
            if sequence != 50:
                sink.on_rtp(interframe(sequence), sequence * 20_000)
    assert track.keyframe_requests_us[1] == 51 * 20_000 + SECOND + 20_000
    assert events(capture, "keyframe_requested")[1] == {"track": 1, "cause": "gap"}


async def test_no_keyframe_is_asked_of_a_microphone(tmp_path: Path, writer: CaptureWriter) -> None:
    track = audio_track()
    async with capture_in(tmp_path, writer) as capture:
        sink = sink_of(capture, track)
        for sequence in range(0, 500, 2):
            sink.on_rtp(rtp_packet(OPUS, sequence, 0, 7, b"x", marker=False), sequence * 20_000)
    assert track.keyframe_requests_us == []


async def test_journal_tells_the_whole_story(tmp_path: Path, writer: CaptureWriter) -> None:
    async with capture_in(tmp_path, writer) as capture:
        track = video_track()
        sink = capture.add_track(track, participant_name="Ánà", role="requester")
        assert sink is not None
        assert track.sinks == [sink]
        assert capture.add_track(track, participant_name="other", role="agent") is sink
        sink.on_rtp(interframe(1), 1)
        sink.on_sender_report(7, (3_900_000_000 << 32) | (1 << 31), 12345, 99)
        capture.event("track_muted", track_id="v1", muted=True)
        capture.remove_track("v1")
        capture.remove_track("v1")
        assert track.sinks == []
    story = journal(capture)
    assert [record.type for record in story] == [
        "recording_started",
        "track_added",
        "keyframe_requested",
        "file_opened",
        "sender_report",
        "track_muted",
        "track_ended",
        "recording_stopped",
    ]
    assert story[1].data["participant_name"] == "Ánà"
    assert story[1].data["codec"]["name"] == "VP8"
    assert story[4].data == {
        "track": 1,
        "ssrc": 7,
        "ntp_us": 3_900_000_000_500_000,
        "rtp_timestamp": 12345,
        "arrival_us": 99,
    }
    assert story[-1].data["reason"] == "test"
    assert story[-1].data["packets"] == 1


async def test_track_that_ended_can_come_back(tmp_path: Path, writer: CaptureWriter) -> None:
    async with capture_in(tmp_path, writer) as capture:
        track = video_track()
        first = sink_of(capture, track)
        first.on_rtp(interframe(1), 1)
        first.on_ended()
        first.on_rtp(interframe(2), 2)
        second = sink_of(capture, track)
        second.on_rtp(interframe(3), 3)
    assert packets_of(capture.directory / "001-video-1.mjr") == [interframe(1)]
    assert packets_of(capture.directory / "002-video-1.mjr") == [interframe(3)]


async def test_after_stop_nothing_is_recorded(tmp_path: Path, writer: CaptureWriter) -> None:
    track = video_track()
    async with capture_in(tmp_path, writer) as capture:
        sink = sink_of(capture, track)
        sink.on_rtp(interframe(1), 1)
        await capture.stop("hang_up")
        assert track.sinks == []
        sink.on_rtp(interframe(2), 2)
        sink.on_sender_report(7, 0, 0, 0)
        assert not capture.event("late")
        late = video_track(2)
        assert capture.add_track(late, participant_name="A", role="agent") is None
        assert late.sinks == [] and late.keyframe_requests_us == []
        await capture.stop("again")
    assert packets_of(capture.directory / "001-video-1.mjr") == [interframe(1)]
    assert [event["reason"] for event in events(capture, "recording_stopped")] == ["hang_up"]


async def test_junk_is_recorded_or_ignored_but_never_raises(tmp_path: Path, writer: CaptureWriter) -> None:
    track = replace(video_track())
    async with capture_in(tmp_path, writer) as capture:
        sink = sink_of(capture, track)
        for junk in (b"", b"\x80", bytes(11), bytes(12), b"\xff" * 12, b"\xbf" + bytes(40)):
            sink.on_rtp(junk, 1)
        sink.on_rtp(interframe(1), 0)


async def test_two_hundred_recordings_started_together_share_nothing(
    tmp_path: Path, writer: CaptureWriter
) -> None:
    captures = []
    for number in range(200):
        capture = Capture(
            capturing.settings(tmp_path),
            writer,
            recording_id=uuid.uuid4(),
            details={},
            on_failure=print,
            clock=capturing.scenario_clock,
        )
        sink = sink_of(capture, audio_track())
        sink.on_rtp(rtp_packet(OPUS, number, 0, number, b"x", marker=False), 0)
        captures.append(capture)
    for number, capture in enumerate(captures):
        await capture.stop("test")
        [packet] = packets_of(capture.directory / "001-audio-1.mjr")
        assert packet == rtp_packet(OPUS, number, 0, number, b"x", marker=False)
    assert len({capture.directory for capture in captures}) == 200
