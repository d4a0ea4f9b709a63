"""How fast a recording becomes a composite: times real time, per core.

    python -m benchmarks.compositing [--seconds 30] [--rounds 3]

Two cameras of 640x480 at 25 frames per second (VP8, 900 kb/s, noise included, which real pictures have less
of) and two microphones are rendered in both layouts, each in a process of its own, whose CPU time counts.
ffmpeg's own command line does the same work with the same encoder settings on the same machine, right beside
it: `ffmpeg_ratio` is its CPU time divided by ours, and does not depend on how busy the machine is.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av

from benchmarks.report import environment, report, summary
from mediaserver.sfu.interfaces import Codec, TrackKind, TrackSource
from recorder.compositor import CompositeInfo, CompositeOptions, render
from recorder.timeline import EncodedFrame, Timeline

OPTIONS = CompositeOptions()
PICTURES = ("testsrc2=s=640x480:r=25", "mandelbrot=s=640x480:r=25")
TONES_HZ = (440, 660)
LAYOUTS = {"assist": ("requester", "agent"), "grid": ("participant", "participant")}


@dataclass(frozen=True, slots=True)
class FileTrack:
    """One stream of a file, as assembly would give it."""

    path: Path
    kind: TrackKind
    participant_id: str
    role: str

    @property
    def track_id(self) -> str:
        return f"{self.participant_id}-{self.kind}"

    @property
    def participant_name(self) -> str:
        return self.participant_id

    @property
    def source(self) -> TrackSource:
        return "camera" if self.kind == "video" else "microphone"

    @property
    def codec(self) -> Codec:
        return Codec("VP8", 90_000, 96) if self.kind == "video" else Codec("opus", 48_000, 111, 2)

    def frames(self) -> Iterator[EncodedFrame]:
        with av.open(str(self.path)) as container:
            streams = container.streams.video if self.kind == "video" else container.streams.audio
            for number, packet in enumerate(container.demux(streams[0])):
                if packet.pts is not None and packet.time_base is not None:
                    # Matroska keeps milliseconds; the sources are exact.
                    at_us = number * (40_000 if self.kind == "video" else 20_000)
                    ticks = at_us * self.codec.clock_rate // 1_000_000
                    yield EncodedFrame(at_us, bytes(packet), packet.is_keyframe, True, ticks)


def make_clip(path: Path, picture: str, tone_hz: int, seconds: int) -> None:
    video = "-c:v libvpx -deadline realtime -cpu-used 8 -b:v 900k -g 3000 -lag-in-frames 0 -auto-alt-ref 0"
    command = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", f"{picture},noise=alls=6:allf=t"]
    command += ["-f", "lavfi", "-i", f"sine=f={tone_hz}:r=48000", "-t", str(seconds), *video.split()]
    command += ["-c:a", "libopus", "-b:a", "32k", "-frame_duration", "20", str(path)]
    subprocess.run(command, check=True)


def measure_ours(clips: list[Path], roles: tuple[str, ...], seconds: int, output: Path) -> dict[str, float]:
    """Called in a process of its own: its CPU time and memory are the rendering's."""
    tracks = [
        FileTrack(clip, kind, f"p{number}", role)
        for number, (clip, role) in enumerate(zip(clips, roles, strict=True))
        for kind in ("video", "audio")
    ]
    timeline = Timeline("benchmark", 0, seconds * 1_000_000, tracks, [])
    before = resource.getrusage(resource.RUSAGE_SELF)
    started_s = time.perf_counter()
    render(timeline, output, CompositeInfo("benchmark"), OPTIONS)
    after = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "cpu_s": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "wall_s": time.perf_counter() - started_s,
        "memory_mib": after.ru_maxrss / 1024,
        "mbit_per_s": output.stat().st_size * 8 / seconds / 1e6,
    }


def measure_ffmpeg(clips: list[Path], layout: str, output: Path) -> float:
    """CPU seconds of ffmpeg for the same picture and sound."""
    tiles = {
        "assist": "[0:v]fps=25,scale=960:720[a];[1:v]fps=25,scale=320:240,pad=320:720:0:0[b];[a][b]hstack",
        "grid": "[0:v]fps=25,pad=640:720:0:120[a];[1:v]fps=25,pad=640:720:0:120[b];[a][b]hstack",
    }
    graph = f"{tiles[layout]}[v];[0:a][1:a]amix=inputs=2:normalize=0,alimiter[s]"
    command = ["ffmpeg", "-v", "error", "-y", "-i", str(clips[0]), "-i", str(clips[1])]
    command += ["-filter_complex", graph, "-map", "[v]", "-map", "[s]", "-c:v", "libx264"]
    command += ["-profile:v", "high", "-preset", OPTIONS.preset, "-crf", str(OPTIONS.crf), "-g", "50"]
    command += ["-maxrate", str(OPTIONS.max_bit_rate), "-bufsize", str(2 * OPTIONS.max_bit_rate)]
    command += ["-c:a", "aac", "-ac", "2", "-b:a", str(OPTIONS.audio_bit_rate), "-movflags", "+faststart"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([*command, str(output)], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measure(clips: list[Path], layout: str, seconds: int, rounds: int, folder: Path) -> dict[str, Any]:
    ours: list[dict[str, float]] = []
    theirs: list[float] = []
    for _ in range(rounds):
        # A fresh process each time: memory is its peak, and nothing is warm.
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            arguments = (clips, LAYOUTS[layout], seconds, folder / "ours.mp4")
            ours.append(pool.apply(measure_ours, arguments))
        theirs.append(measure_ffmpeg(clips, layout, folder / "theirs.mp4"))
    return {
        "times_real_time_per_core": summary([seconds / run["cpu_s"] for run in ours], digits=2),
        "times_real_time": summary([seconds / run["wall_s"] for run in ours], digits=2),
        "ffmpeg_times_real_time_per_core": summary([seconds / cpu_s for cpu_s in theirs], digits=2),
        "ffmpeg_ratio": summary(
            [cpu_s / run["cpu_s"] for cpu_s, run in zip(theirs, ours, strict=True)], digits=2
        ),
        "memory_mib": summary([run["memory_mib"] for run in ours], digits=0),
        "mbit_per_s": summary([run["mbit_per_s"] for run in ours], digits=2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=int, default=30, help="length of the recording")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    about = environment()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clips = [folder / f"{number}.webm" for number in range(2)]
        for clip, picture, tone_hz in zip(clips, PICTURES, TONES_HZ, strict=True):
            make_clip(clip, picture, tone_hz, options.seconds)
        figures = {
            layout: measure(clips, layout, options.seconds, options.rounds, folder) for layout in LAYOUTS
        }
    report("compositing", figures, about)


if __name__ == "__main__":
    main()
