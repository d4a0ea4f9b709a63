"""The queue with children that are small scripts instead of jobs."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from recorder.jobs import Job, JobQueue, find_unfinished
from recorder.products import ATTEMPTS_FILE, RecordingResult, failed, read_result
from recorder.recording import RecordingStatus

SUCCEED = """
import json, sys
from pathlib import Path
directory = Path(sys.argv[1])
print(json.dumps({"progress": 0.5}), flush=True)
with (directory.parent / "order.txt").open("a") as file:
    file.write(directory.name + "\\n")
from recorder.products import RecordingResult
from recorder.recording import RecordingStatus
RecordingResult(directory.name, RecordingStatus.COMPLETED, None, (), None, ()).write(directory)
"""
FAIL = """
import json, sys
print("a line that is no report")
print(json.dumps({"error": "bad_mp4"}), flush=True)
sys.exit(1)
"""
HANG = """
import os, sys, time
from pathlib import Path
(Path(sys.argv[1]) / "pid").write_text(str(os.getpid()))
print("{}", flush=True)
time.sleep(600)
"""


class Listener:
    def __init__(self) -> None:
        self.progress: list[tuple[str, float]] = []
        self.results: dict[str, RecordingResult] = {}
        self.done = asyncio.Event()

    def on_job_progress(self, recording_id: str, share: float) -> None:
        self.progress.append((recording_id, share))

    def on_job_done(self, recording_id: str, result: RecordingResult) -> None:
        self.results[recording_id] = result
        self.done.set()

    async def wait_for(self, count: int) -> None:
        async with asyncio.timeout(30):
            while len(self.results) < count:
                self.done.clear()
                await self.done.wait()


def running(script: str) -> Callable[[Path], Sequence[str]]:
    return lambda directory: [sys.executable, "-c", script, str(directory)]


def make_job(root: Path, name: str = "one") -> Job:
    directory = root / "2026" / "11" / "21" / name
    directory.mkdir(parents=True)
    return Job(name, directory)


@asynccontextmanager
async def queue(root: Path, listener: Listener, script: str, **options: object) -> AsyncIterator[JobQueue]:
    async def left() -> list[Job]:
        return find_unfinished(root)

    jobs = JobQueue(listener, left, command=running(script), retry_delay_s=0, **options)  # type: ignore[arg-type]
    jobs.start()
    try:
        yield jobs
    finally:
        await jobs.aclose()


async def test_a_job_reports_progress_and_its_result(tmp_path: Path) -> None:
    listener = Listener()
    async with queue(tmp_path, listener, SUCCEED) as jobs:
        jobs.submit(make_job(tmp_path))
        await listener.wait_for(1)

    assert listener.progress == [("one", 0.0), ("one", 0.5)]
    assert listener.results["one"].status is RecordingStatus.COMPLETED


async def test_a_job_that_fails_is_tried_three_times_and_what_was_captured_is_kept(tmp_path: Path) -> None:
    listener = Listener()
    job = make_job(tmp_path)
    (job.directory / "001-video-1.mjr").write_bytes(b"packets")
    async with queue(tmp_path, listener, FAIL) as jobs:
        jobs.submit(job)
        await listener.wait_for(1)

    assert listener.progress == [("one", 0.0)] * 3
    result = listener.results["one"]
    assert (result.status, result.error) == (RecordingStatus.FAILED, "bad_mp4")
    assert read_result(job.directory) == result
    assert (job.directory / "001-video-1.mjr").read_bytes() == b"packets"


async def test_attempts_count_over_restarts(tmp_path: Path) -> None:
    """A job that takes the server down with it is not tried for ever."""
    listener = Listener()
    job = make_job(tmp_path)
    (job.directory / ATTEMPTS_FILE).write_text(json.dumps({"attempts": 2}))
    async with queue(tmp_path, listener, FAIL) as jobs:
        jobs.submit(job)
        await listener.wait_for(1)

    assert len(listener.progress) == 1


async def test_a_job_that_is_stopped_by_us_has_not_failed(tmp_path: Path) -> None:
    listener = Listener()
    job = make_job(tmp_path)
    async with queue(tmp_path, listener, HANG) as jobs:
        jobs.submit(job)
        pid = await child_pid(job)

    assert json.loads((job.directory / ATTEMPTS_FILE).read_text()) == {"attempts": 0}
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert find_unfinished(tmp_path) == [job]
    assert listener.results == {}


async def test_a_job_that_says_nothing_is_killed(tmp_path: Path) -> None:
    listener = Listener()
    async with queue(tmp_path, listener, HANG, stall_timeout_s=0.3) as jobs:
        jobs.submit(make_job(tmp_path))
        await listener.wait_for(1)

    assert listener.results["one"].error == "stalled"


async def test_a_line_without_end_does_not_fill_the_memory(tmp_path: Path) -> None:
    listener = Listener()
    async with queue(tmp_path, listener, "print('x' * 10_000_000)") as jobs:
        jobs.submit(make_job(tmp_path))
        await listener.wait_for(1)

    assert listener.results["one"].error == "internal"


async def test_a_job_sees_none_of_the_servers_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIGHTLINE_API_KEY", "secret")
    script = SUCCEED + "import os\n(directory / 'env').write_text(' '.join(os.environ))\n"
    listener = Listener()
    job = make_job(tmp_path)
    async with queue(tmp_path, listener, script) as jobs:
        jobs.submit(job)
        await listener.wait_for(1)

    assert "SIGHTLINE" not in (job.directory / "env").read_text()


async def test_a_recording_is_worked_on_once(tmp_path: Path) -> None:
    listener = Listener()
    job = make_job(tmp_path)
    async with queue(tmp_path, listener, SUCCEED) as jobs:
        jobs.submit(job)
        jobs.submit(job)
        await listener.wait_for(1)

    assert listener.progress.count(("one", 0.0)) == 1


async def test_what_does_not_fit_into_the_queue_is_found_on_disk(tmp_path: Path) -> None:
    listener = Listener()
    jobs_on_disk = [make_job(tmp_path, f"r{number}") for number in range(4)]
    async with queue(tmp_path, listener, SUCCEED, max_queued=1) as jobs:
        for job in jobs_on_disk:
            jobs.submit(job)
        await listener.wait_for(4)

    assert {result.status for result in listener.results.values()} == {RecordingStatus.COMPLETED}


async def test_a_directory_that_vanished_does_not_stop_the_queue(tmp_path: Path) -> None:
    listener = Listener()
    async with queue(tmp_path, listener, SUCCEED) as jobs:
        jobs.submit(Job("gone", tmp_path / "gone"))
        jobs.submit(make_job(tmp_path))
        await listener.wait_for(1)

    assert set(listener.results) == {"one"}


def test_finished_recordings_are_left_alone(tmp_path: Path) -> None:
    done, damaged, open_job = (make_job(tmp_path, name) for name in ("done", "damaged", "open"))
    failed("done", "storage").write(done.directory)
    (damaged.directory / "result.json").write_bytes(b"{")

    assert find_unfinished(tmp_path) == [damaged, open_job]


async def child_pid(job: Job) -> int:
    path = job.directory / "pid"
    async with asyncio.timeout(20):
        while not (path.exists() and path.read_text()):
            await asyncio.sleep(0.02)
    return int(path.read_text())
