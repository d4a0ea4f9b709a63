from __future__ import annotations

import asyncio
import os
import resource
import signal
import stat
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from recorder.writer import RESERVE_BYTES, CaptureWriter

MIB = 1 << 20


@pytest.fixture
async def writer() -> AsyncIterator[CaptureWriter]:
    made = CaptureWriter(max_pending_bytes=MIB, flush_interval_s=0.02, sync_interval_s=0.05)
    yield made
    await made.aclose()


@pytest.fixture
def stalled(writer: CaptureWriter) -> Iterator[CaptureWriter]:
    """The thread does not get to write, as if the disk were slow, until the test ends or lets it."""
    original, writer._cycle = writer._cycle, lambda *args, **kwargs: None  # type: ignore[method-assign]
    yield writer
    writer._cycle = original  # type: ignore[method-assign]


def ignore(reason: str) -> None:
    pass


async def test_everything_appended_is_on_disk_after_close(writer: CaptureWriter, tmp_path: Path) -> None:
    group = writer.group(tmp_path, on_failure=ignore)
    files = [group.open(f"{number}.bin", b"head") for number in range(3)]
    for number, file in enumerate(files):
        for part in range(100):
            assert file.append(b"%d-%d " % (number, part))
    await group.aclose()
    for number, file in enumerate(files):
        assert file.path.read_bytes() == b"head" + b"".join(b"%d-%d " % (number, part) for part in range(100))
    assert writer.pending_bytes == 0


async def test_write_that_takes_only_a_part_is_continued(
    writer: CaptureWriter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = os.write
    monkeypatch.setattr("recorder.writer.os.write", lambda fd, data: original(fd, bytes(data)[:7]))
    group = writer.group(tmp_path, on_failure=ignore)
    file = group.open("a", b"much more than seven bytes")
    await group.aclose()
    assert file.path.read_bytes() == b"much more than seven bytes"


async def test_data_reaches_the_disk_without_being_asked_for(writer: CaptureWriter, tmp_path: Path) -> None:
    file = writer.group(tmp_path, on_failure=ignore).open("a")
    file.append(b"data")
    async with asyncio.timeout(5):
        while not file.path.exists() or file.path.read_bytes() != b"data":
            await asyncio.sleep(0.01)


async def test_files_are_private_and_never_replace_others(writer: CaptureWriter, tmp_path: Path) -> None:
    (tmp_path / "there").write_bytes(b"before")
    failures: list[str] = []
    group = writer.group(tmp_path, on_failure=failures.append)
    mine = group.open("mine", b"x")
    await group.aclose()
    assert stat.S_IMODE(mine.path.stat().st_mode) == 0o600
    other = writer.group(tmp_path, on_failure=failures.append)
    other.open("there", b"after")
    await other.aclose()
    assert failures == ["disk_error"]
    assert (tmp_path / "there").read_bytes() == b"before"


async def test_finished_file_takes_no_more(writer: CaptureWriter, tmp_path: Path) -> None:
    group = writer.group(tmp_path, on_failure=ignore)
    file = group.open("a")
    assert file.append(b"1")
    group.finish(file)
    assert not file.append(b"2")
    await group.aclose()
    assert file.path.read_bytes() == b"1"


async def test_what_waits_is_bounded_over_all_files(stalled: CaptureWriter, tmp_path: Path) -> None:
    group = stalled.group(tmp_path, on_failure=ignore)
    one, two = group.open("one"), group.open("two")
    block = bytes(MIB // 4)
    assert [one.append(block), two.append(block), one.append(block), two.append(block)] == [True] * 4
    assert not one.append(b"x")
    assert not two.append(b"x")
    assert stalled.pending_bytes == MIB


async def test_journal_has_room_when_others_have_not(stalled: CaptureWriter, tmp_path: Path) -> None:
    group = stalled.group(tmp_path, on_failure=ignore)
    journal, other = group.open("journal", reserve=True), group.open("other")
    assert other.append(bytes(MIB))
    assert journal.append(bytes(RESERVE_BYTES))
    assert not journal.append(b"x")


async def test_first_file_is_written_before_the_others(
    writer: CaptureWriter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    original = os.open

    def spy(path: os.PathLike[str], *args: int) -> int:
        opened.append(Path(path).name)
        return original(path, *args)

    monkeypatch.setattr("recorder.writer.os.open", spy)
    group = writer.group(tmp_path, on_failure=ignore)
    for name in ("journal", "b", "a"):
        group.open(name, b"x")
    await group.aclose()
    assert [name for name in opened if name != tmp_path.name] == ["journal", "b", "a"]


async def test_full_disk_fails_its_group_once_and_no_other(writer: CaptureWriter, tmp_path: Path) -> None:
    failures: list[str] = []
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        full = writer.group(tmp_path, on_failure=failures.append)
        big = full.open("big")
        good_group = writer.group(tmp_path, on_failure=failures.append)
        good = good_group.open("good")
        for _ in range(20):
            big.append(bytes(10_000))
            good.append(b"y")
            await asyncio.sleep(0.005)
        await full.aclose()
        await good_group.aclose()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert failures == ["disk_full"]
    assert big.path.stat().st_size == 100_000
    assert good.path.read_bytes() == b"y" * 20
    assert writer.pending_bytes == 0


async def test_low_space_is_told_and_writing_goes_on(writer: CaptureWriter, tmp_path: Path) -> None:
    told = asyncio.Event()
    reasons: list[str] = []

    def on_failure(reason: str) -> None:
        reasons.append(reason)
        told.set()

    group = writer.group(tmp_path, on_failure=on_failure, min_free_bytes=1 << 62)
    file = group.open("a", b"before ")
    async with asyncio.timeout(5):
        await told.wait()
    file.append(b"after")
    await group.aclose()
    assert reasons == ["disk_low"]
    assert file.path.read_bytes() == b"before after"


async def test_end_of_the_writer_closes_every_group(tmp_path: Path) -> None:
    writer = CaptureWriter(max_pending_bytes=MIB, flush_interval_s=0.4, sync_interval_s=60)
    group = writer.group(tmp_path, on_failure=ignore)
    file = group.open("a", b"data")
    await writer.aclose()
    await group.aclose()
    assert file.path.read_bytes() == b"data"
    assert file.fd == -1


async def test_closing_twice_is_harmless(writer: CaptureWriter, tmp_path: Path) -> None:
    group = writer.group(tmp_path, on_failure=ignore)
    group.open("a", b"data")
    await asyncio.gather(group.aclose(), group.aclose())
    await group.aclose()
