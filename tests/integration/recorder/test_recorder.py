"""The recorder as a whole: real capture, real jobs in child processes, crashes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID, uuid4

import psutil
import pytest

from recorder.capture import Capture
from recorder.position import Position
from recorder.products import COMPOSITE_FILE, RecordingResult
from recorder.recording import RecordingStatus
from recorder.service import Recorder, RecordingInfo
from recorder.settings import RecorderSettings
from tests.support import judge
from tests.support.capturing import settings as settings_for_tests
from tests.support.rtp_source import RED, FakeTrack, RtpSource, audio_source, play, video_source

TITLE = "0YW553BN-8214-composite"
TIMEOUT_S = 90


@dataclass
class Listener:
    changes: dict[str, list[RecordingStatus]] = field(default_factory=dict)
    progress: dict[str, list[float]] = field(default_factory=dict)
    results: dict[str, RecordingResult] = field(default_factory=dict)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def on_recording_changed(
        self,
        recording_id: str,
        status: RecordingStatus,
        progress: float | None,
        result: RecordingResult | None,
    ) -> None:
        statuses = self.changes.setdefault(recording_id, [])
        if not statuses or statuses[-1] is not status:
            statuses.append(status)
        if progress is not None:
            self.progress.setdefault(recording_id, []).append(progress)
        if result is not None:
            self.results[recording_id] = result
        self.changed.set()

    async def until_status(self, recording_id: str, status: RecordingStatus) -> None:
        async with asyncio.timeout(TIMEOUT_S):
            while status not in self.changes.get(recording_id, []):
                self.changed.clear()
                await self.changed.wait()

    async def until_finished(self, recording_id: str) -> RecordingResult:
        async with asyncio.timeout(TIMEOUT_S):
            while recording_id not in self.results:
                self.changed.clear()
                await self.changed.wait()
        return self.results[recording_id]


@asynccontextmanager
async def running(root: Path, listener: Listener, **changes: object) -> AsyncIterator[Recorder]:
    recorder = Recorder(settings_for_tests(root / "recordings", **changes), listener)
    await recorder.start()
    try:
        yield recorder
    finally:
        await recorder.aclose()


def begin(recorder: Recorder) -> Capture:
    return recorder.begin(RecordingInfo(uuid4(), "room", TITLE, Position(48.7611333, -3.4669605)))


def sources(duration_s: float) -> tuple[RtpSource, RtpSource]:
    return (
        video_source(duration_s=duration_s, width=320, height=240, colour=RED),
        audio_source(duration_s=duration_s),
    )


def fill(capture: Capture, duration_s: float = 1.0) -> None:
    """As if a requester had sent for so long."""
    pairs = []
    for source in sources(duration_s):
        track = FakeTrack.of(source, track_id=f"r-{source.source}", participant_id="r")
        pairs.append((source, capture.add_track(track, participant_name="Ana", role="requester")))
    play(pairs, base_us=capture.started.mono_us)


def job_processes() -> list[psutil.Process]:
    children = psutil.Process().children(recursive=True)
    return [child for child in children if "recorder.job" in child.cmdline()]


async def until_job_runs() -> psutil.Process:
    async with asyncio.timeout(TIMEOUT_S):
        while not (found := job_processes()):
            await asyncio.sleep(0.02)
    return found[0]


async def test_a_stopped_recording_becomes_a_composite_by_itself(tmp_path: Path) -> None:
    listener = Listener()
    async with running(tmp_path, listener) as recorder:
        capture = begin(recorder)
        capture.event("participant_joined", participant_id="r", name="Ana", role="requester")
        fill(capture)
        await capture.stop("test")
        recording_id = str(capture.recording_id)
        result = await listener.until_finished(recording_id)
        found = await recorder.result(recording_id)

    assert listener.changes[recording_id] == ["stopping", "queued", "processing", "completed"]
    assert listener.progress[recording_id] == sorted(listener.progress[recording_id])
    assert found == (result, capture.directory)
    composite = capture.directory / COMPOSITE_FILE
    assert result.composite is not None
    assert composite.stat().st_size == result.composite.bytes
    digest = subprocess.run(["sha256sum", composite], capture_output=True, text=True, check=True).stdout
    assert digest.split()[0] == result.composite.sha256
    assert judge.decode_errors(composite) == ""
    found_tags = judge.exif(composite, "Title", "GPSCoordinates")
    assert found_tags["Title"] == TITLE
    assert found_tags["GPSCoordinates"].startswith("48.7611333 -3.46696")
    assert [(track.kind, track.frames) for track in result.tracks] == [("video", 25), ("audio", 50)]
    for track in result.tracks:
        assert judge.decode_errors(capture.directory / track.file) == ""
    assert not list(capture.directory.rglob("*.part"))
    modes = {path.stat().st_mode & 0o077 for path in capture.directory.rglob("*")}
    assert modes == {0}


async def test_a_job_runs_only_when_nothing_else_wants_the_processor(tmp_path: Path) -> None:
    listener = Listener()
    async with running(tmp_path, listener) as recorder:
        capture = begin(recorder)
        fill(capture, 2.0)
        await capture.stop("test")
        process = await until_job_runs()
        policies = set()
        with contextlib.suppress(ProcessLookupError):
            while True:
                policies.add(os.sched_getscheduler(process.pid))
                await asyncio.sleep(0.01)

    # It says so itself, once it has come so far.
    assert os.SCHED_IDLE in policies


async def test_a_killed_job_is_done_again(tmp_path: Path) -> None:
    listener = Listener()
    async with running(tmp_path, listener) as recorder:
        capture = begin(recorder)
        fill(capture, 4.0)
        await capture.stop("test")
        process = await until_job_runs()
        part = capture.directory / f"{COMPOSITE_FILE}.part"
        async with asyncio.timeout(TIMEOUT_S):
            while not part.exists():
                await asyncio.sleep(0.01)
        process.kill()
        result = await listener.until_finished(str(capture.recording_id))

    assert result.status is RecordingStatus.COMPLETED
    assert judge.decode_errors(capture.directory / COMPOSITE_FILE) == ""
    assert listener.changes[str(capture.recording_id)].count(RecordingStatus.PROCESSING) == 1


async def test_closing_ends_the_job_and_the_next_start_does_it(tmp_path: Path) -> None:
    first, second = Listener(), Listener()
    async with running(tmp_path, first) as recorder:
        capture = begin(recorder)
        fill(capture, 4.0)
        await capture.stop("test")
        process = await until_job_runs()
    assert not process.is_running()
    assert first.results == {}

    async with running(tmp_path, second):
        result = await second.until_finished(str(capture.recording_id))

    assert result.status is RecordingStatus.COMPLETED
    assert second.changes[str(capture.recording_id)] == ["queued", "processing", "completed"]


async def test_closing_stops_what_is_being_recorded_and_loses_nothing(tmp_path: Path) -> None:
    first, second = Listener(), Listener()
    async with running(tmp_path, first) as recorder:
        capture = begin(recorder)
        fill(capture)

    async with running(tmp_path, second):
        result = await second.until_finished(str(capture.recording_id))

    assert result.status is RecordingStatus.COMPLETED
    assert [track.frames for track in result.tracks] == [25, 50]


SERVER = """
import asyncio, sys
from pathlib import Path
sys.path.insert(0, {root!r})
from tests.integration.recorder.test_recorder import Listener, begin, fill, running

async def main():
    async with running(Path({data!r}), Listener()) as recorder:
        capture = begin(recorder)
        fill(capture, 2.0)
        if {stop}:
            await capture.stop("test")
            while not (capture.directory / "composite.mp4.part").exists():
                await asyncio.sleep(0.02)
        else:
            await asyncio.sleep(0.5)
        print(capture.recording_id, flush=True)
        await asyncio.sleep(600)

if __name__ == "__main__":
    asyncio.run(main())
"""


@pytest.mark.parametrize("stop", [False, True], ids=["while recording", "while rendering"])
async def test_after_kill_9_the_next_start_makes_the_recording_by_itself(tmp_path: Path, stop: bool) -> None:
    root = Path(__file__).resolve().parents[3]
    script = tmp_path / "server.py"
    script.write_text(SERVER.format(root=str(root), data=str(tmp_path), stop=stop))
    server = await asyncio.create_subprocess_exec(sys.executable, str(script), stdout=asyncio.subprocess.PIPE)
    assert server.stdout is not None
    async with asyncio.timeout(TIMEOUT_S):
        recording_id = ""
        while not is_uuid(recording_id):
            recording_id = (await server.stdout.readline()).decode().strip()
    descendants = psutil.Process(server.pid).children(recursive=True)
    server.send_signal(signal.SIGKILL)
    await server.wait()
    # Nobody works on behind the dead server's back.
    ours = [child for child in descendants if "resource_tracker" not in " ".join(_command(child))]
    _, alive = await asyncio.to_thread(psutil.wait_procs, ours, 5)
    assert alive == []

    if not stop:
        for dump in (tmp_path / "recordings").rglob("*.mjr"):
            os.truncate(dump, dump.stat().st_size - 5)

    listener = Listener()
    async with running(tmp_path, listener):
        result = await listener.until_finished(recording_id)

    assert (result.status, result.problems) == (RecordingStatus.COMPLETED, ())
    frames = {track.kind: track.frames for track in result.tracks}
    assert frames == ({"video": 50, "audio": 100} if stop else {"video": 49, "audio": 99})
    (composite,) = (tmp_path / "recordings").rglob(COMPOSITE_FILE)
    assert judge.decode_errors(composite) == ""


async def test_nothing_recorded_is_aborted_once_and_for_all(tmp_path: Path) -> None:
    listener = Listener()
    async with running(tmp_path, listener) as recorder:
        capture = begin(recorder)
        await capture.stop("test")
        result = await listener.until_finished(str(capture.recording_id))
    assert (result.status, result.error, result.composite) == ("aborted", "empty_recording", None)

    again = Listener()
    async with running(tmp_path, again):
        pass
    assert again.changes == {}


async def test_a_directory_that_holds_no_recording_fails_and_the_next_one_is_done(tmp_path: Path) -> None:
    stray = tmp_path / "recordings" / "2020" / "01" / "01" / str(uuid4())
    stray.mkdir(parents=True)
    (stray / "session.json").write_text("{}")
    listener = Listener()
    async with running(tmp_path, listener) as recorder:
        capture = begin(recorder)
        fill(capture)
        await capture.stop("test")
        good = await listener.until_finished(str(capture.recording_id))
        bad = await listener.until_finished(stray.name)

    assert good.status is RecordingStatus.COMPLETED
    assert (bad.status, bad.error) == ("failed", "recording_unreadable")


async def test_a_disk_that_runs_low_ends_the_recording_with_what_there_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listener = Listener()
    changes = {"min_free_bytes": 1, "stop_free_bytes": 1, "sync_interval_s": 0.1}
    async with running(tmp_path, listener, **changes) as recorder:
        capture = begin(recorder)
        fill(capture)
        await asyncio.sleep(0.4)
        monkeypatch.setattr(os, "statvfs", lambda path: os.statvfs_result((0,) * 10))
        await listener.until_status(str(capture.recording_id), RecordingStatus.QUEUED)
        monkeypatch.undo()
        # Whoever records need not know: stopping again is harmless.
        await capture.stop("test")
        result = await listener.until_finished(str(capture.recording_id))

    assert (result.status, result.problems) == ("partial", ("capture_failed",))
    assert result.composite is not None


async def test_two_recordings_at_once_share_nothing(tmp_path: Path) -> None:
    listener = Listener()
    async with running(tmp_path, listener) as recorder:
        captures = [begin(recorder) for _ in range(2)]
        fill(captures[0], 0.6)
        fill(captures[1], 1.2)
        for capture in captures:
            await capture.stop("test")
        results = [await listener.until_finished(str(capture.recording_id)) for capture in captures]

    assert [result.tracks[0].frames for result in results] == [15, 30]


async def test_an_unknown_recording_has_no_result(tmp_path: Path) -> None:
    async with running(tmp_path, Listener()) as recorder:
        assert await recorder.result(str(uuid4())) is None


def test_photos_are_kept_beside_recordings_unless_told_otherwise(tmp_path: Path) -> None:
    assert RecorderSettings().photos_directory is None
    assert RecorderSettings(photos_directory=tmp_path).photos_directory == tmp_path


def is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []
