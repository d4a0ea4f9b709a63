"""What a call costs the server: CPU per forwarded packet in a 1:1 call, and what recording it adds.

    python -m benchmarks.call_cost [--rounds 8] [--seconds 10]

Two Chromium with 640x360 cameras full of detail call each other through a real server on this machine, over
its own network stack: what `sendto` costs includes the delivery. CPU time is that of all threads of the
server process (`/proc/<pid>/task/*/schedstat`, nanoseconds), children not counted. A forwarded packet is an
RTP packet that a browser received; feedback, timers and everything else that a call brings is shared out
among them. Each round is measured once without and once with recording, and capture is the difference within
a round, so that what else the machine does weighs on both.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.report import environment, report, summary
from tests.support.browser import EXECUTABLE, chromium
from tests.support.content import AGENT, REQUESTER, Devices, Side, make_microphone
from tests.support.page import Page, enter, hang_up, media_stats, see_and_hear_each_other
from tests.support.server import SightlineServer, running_server

SETTLE_S = 8.0
"""Until the senders have found their rate."""
SWITCH_S = 1.0
"""After recording was switched on or off."""


@dataclass(frozen=True, slots=True)
class Sample:
    cpu_s: float
    packets: int
    wall_s: float

    @property
    def us_per_packet(self) -> float:
        return self.cpu_s / self.packets * 1e6

    @property
    def core_percent(self) -> float:
        return self.cpu_s / self.wall_s * 100

    @property
    def packets_per_s(self) -> float:
        return self.packets / self.wall_s


def cpu_s(pid: int) -> float:
    """CPU time of the process so far, all its threads, seconds."""
    total = 0
    for path in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        with contextlib.suppress(FileNotFoundError):
            total += int(path.read_text().split()[0])
    return total / 1e9


def _busy_devices(directory: Path, side: Side) -> Devices:
    """A camera whose picture never rests: the sender uses all the rate it may, as with a hand-held phone."""
    camera = directory / f"{side.name}.mjpeg"
    picture = "testsrc2=s=640x360:r=30:d=10,noise=alls=30:allf=t"
    command = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", picture, "-c:v", "mjpeg", "-q:v", "4"]
    subprocess.run([*command, "-pix_fmt", "yuvj420p", str(camera)], check=True)
    return Devices(camera, make_microphone(directory / f"{side.name}.wav", side))


async def received(pages: Sequence[Page]) -> int:
    return sum([(await media_stats(page)).packets_received for page in pages])


async def sample(server: SightlineServer, pages: Sequence[Page], seconds: float) -> Sample:
    await asyncio.sleep(SWITCH_S)
    packets, cpu, started = await received(pages), cpu_s(server.pid), time.monotonic()
    await asyncio.sleep(seconds)
    return Sample(cpu_s(server.pid) - cpu, await received(pages) - packets, time.monotonic() - started)


async def idle_percent(server: SightlineServer, seconds: float) -> float:
    """Per cent of a core that the server takes with nobody there."""
    cpu, started = cpu_s(server.pid), time.monotonic()
    await asyncio.sleep(seconds)
    return (cpu_s(server.pid) - cpu) / (time.monotonic() - started) * 100


async def measure(seconds: float, rounds: int) -> None:
    about = environment(EXECUTABLE)
    plain: list[Sample] = []
    recorded: list[Sample] = []
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        devices = [_busy_devices(directory, side) for side in (AGENT, REQUESTER)]
        async with running_server(directory / "server") as server, chromium() as browsers:
            idle = await idle_percent(server, 5)
            room = await server.create_room(reference="BENCH")
            async with (
                browsers.page(devices=devices[0]) as agent,
                browsers.page(devices=devices[1]) as requester,
            ):
                pages = (agent, requester)
                await enter(agent, room["agent_url"])
                await enter(requester, room["requestor_url"])
                await see_and_hear_each_other(*pages)
                await asyncio.sleep(SETTLE_S)
                for _ in range(rounds):
                    plain.append(await sample(server, pages, seconds))
                    path = f"/rooms/{room['convId']}/recordings"
                    recording = await server.call("POST", path, expect=201)
                    recorded.append(await sample(server, pages, seconds))
                    await server.call("POST", f"{path}/{recording['recording_id']}/stop")
                await hang_up(agent)
    capture_us = [
        after.us_per_packet - before.us_per_packet for before, after in zip(plain, recorded, strict=True)
    ]
    packets_per_s = median(sample.packets_per_s for sample in plain)
    figures = {
        "packets_per_s": summary([sample.packets_per_s for sample in plain]),
        "us_per_forwarded_packet": summary([sample.us_per_packet for sample in plain]),
        "core_percent_idle": round(idle, 2),
        "core_percent": summary([sample.core_percent for sample in plain], digits=2),
        "capture_us_per_packet": summary(capture_us),
        "capture_core_percent": round(median(capture_us) * packets_per_s / 1e4, 2),
    }
    report("call_cost", figures, about)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--rounds", type=int, default=8)
    arguments = parser.parse_args()
    asyncio.run(measure(arguments.seconds, arguments.rounds))
