"""What a call costs the server: CPU per forwarded packet in a 1:1 call, and what recording it adds.

    python -m benchmarks.call_cost [--seconds 20] [--rounds 3]

Two Chromium with 1280x720 cameras call each other through a real server on this machine. CPU time is that of
all threads of the server process (`/proc/<pid>/task/*/schedstat`, nanoseconds), children not counted. A
forwarded packet is an RTP packet that a browser received. Rounds without and with recording alternate, so
that both see the same machine.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.report import environment, report, summary
from tests.support.browser import EXECUTABLE, chromium
from tests.support.content import AGENT, REQUESTER, Devices, make_camera, make_microphone
from tests.support.page import Page, enter, hang_up, media_stats, see_and_hear_each_other
from tests.support.server import SightlineServer, running_server

SETTLE_S = 3.0


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


async def received(pages: Sequence[Page]) -> int:
    return sum([(await media_stats(page)).packets_received for page in pages])


async def sample(server: SightlineServer, pages: Sequence[Page], seconds: float) -> Sample:
    await asyncio.sleep(SETTLE_S)
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
        devices = [
            Devices(
                make_camera(directory / f"{side.name}.mjpeg", side, width=1280, height=720, seconds=20),
                make_microphone(directory / f"{side.name}.wav", side),
            )
            for side in (AGENT, REQUESTER)
        ]
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
                for _ in range(rounds):
                    plain.append(await sample(server, pages, seconds))
                    path = f"/rooms/{room['convId']}/recordings"
                    recording = await server.call("POST", path, expect=201)
                    recorded.append(await sample(server, pages, seconds))
                    await server.call("POST", f"{path}/{recording['recordingId']}/stop")
                await hang_up(agent)
    per_packet = median(s.us_per_packet for s in plain)
    figures = {
        "packets_per_s": summary([s.packets_per_s for s in plain]),
        "us_per_forwarded_packet": summary([s.us_per_packet for s in plain]),
        "us_per_forwarded_packet_recording": summary([s.us_per_packet for s in recorded]),
        "core_percent_idle": round(idle, 2),
        "core_percent": summary([s.core_percent for s in plain], digits=2),
        "core_percent_recording": summary([s.core_percent for s in recorded], digits=2),
        "capture_core_percent": round(
            median(s.core_percent for s in recorded) - median(s.core_percent for s in plain), 2
        ),
        "capture_to_forwarding_ratio": round(median(s.us_per_packet for s in recorded) / per_packet - 1, 3),
    }
    report("call_cost", figures, about)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    asyncio.run(measure(arguments.seconds, arguments.rounds))
