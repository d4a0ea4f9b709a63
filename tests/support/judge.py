"""Reads products back with ffmpeg alone, nothing of ours: who is to be seen where, when, and heard.

The counterpart of `tests/support/content.py`, which makes the pictures and the sound.
"""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.support.content import (
    COUNTER_BITS,
    SAMPLE_RATE_HZ,
    STRIP_BOTTOM,
    STRIP_LEFT,
    STRIP_RIGHT,
    STRIP_TOP,
    Side,
)

COLOUR_TOLERANCE = 40
"""Largest difference per channel, of 255: two lossy encodings and a colour matrix lie in between."""

_BLOCK_S = 0.010


def probe(path: Path) -> dict[str, Any]:
    """What ffprobe says of format and streams."""
    command = ["ffprobe", "-v", "error", "-of", "json", "-show_format", "-show_streams", str(path)]
    result: dict[str, Any] = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    return result


def decode_errors(path: Path) -> str:
    """What ffmpeg complains about when it decodes the whole file, stopping at the first error."""
    command = ["ffmpeg", "-v", "error", "-xerror", "-i", str(path), "-f", "null", "-"]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.stderr + (f"exit status {done.returncode}" if done.returncode else "")


def frame_times(path: Path) -> list[float]:
    """Presentation time of every video frame, seconds."""
    command = ["ffprobe", "-v", "error", "-select_streams", "v", "-show_entries", "packet=pts_time"]
    done = subprocess.run([*command, "-of", "csv=p=0", str(path)], capture_output=True, text=True, check=True)
    return sorted(float(line.strip(",")) for line in done.stdout.split())


def frames(path: Path, *, width: int = 1280, height: int = 720, fps: int | None = None) -> NDArray[np.uint8]:
    """All pictures: count x height x width x 3, RGB; scaled to the size, thinned out to `fps`."""
    filters = [f"fps={fps}"] if fps else []
    filters.append(f"scale={width}:{height}:in_range=auto:out_range=pc")
    command = ["ffmpeg", "-v", "error", "-i", str(path), "-vf", ",".join(filters)]
    command += ["-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    raw = subprocess.run(command, capture_output=True, check=True).stdout
    return np.frombuffer(raw, np.uint8).reshape(-1, height, width, 3)


def samples(path: Path) -> NDArray[np.float32]:
    """The whole sound, mono, at `SAMPLE_RATE_HZ`."""
    command = ["ffmpeg", "-v", "error", "-i", str(path), "-vn", "-ac", "1", "-ar", str(SAMPLE_RATE_HZ)]
    raw = subprocess.run([*command, "-f", "f32le", "-"], capture_output=True, check=True).stdout
    return np.frombuffer(raw, np.float32)


@dataclass(frozen=True, slots=True)
class Tile:
    """Where in a picture one side is to be seen, pixels."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        return self.right - self.left

    @property
    def height(self) -> int:
        return self.bottom - self.top


def find_tile(frame: NDArray[np.uint8], side: Side) -> Tile | None:
    """The rectangle that shows the side's colour, None if less than 1 % of the picture does."""
    difference = np.abs(frame.astype(np.int16) - np.array(side.rgb, np.int16)).max(axis=2)
    mask = difference < COLOUR_TOLERANCE
    if mask.mean() < 0.01:
        return None
    # Rows and columns that are the colour for a good part of what the fullest one has: stray pixels at the
    # edge of something else do not count.
    rows, columns = mask.sum(axis=1), mask.sum(axis=0)
    ys, xs = np.flatnonzero(rows > rows.max() * 0.15), np.flatnonzero(columns > columns.max() * 0.15)
    return Tile(int(xs[0]), int(ys[0]), int(xs[-1]) + 1, int(ys[-1]) + 1)


def read_counter(frame: NDArray[np.uint8], tile: Tile) -> int | None:
    """The frame number in the tile's strip, None if a cell is neither black nor white."""
    picture = frame[tile.top : tile.bottom, tile.left : tile.right].mean(axis=2)
    height, width = picture.shape
    inset = (STRIP_BOTTOM - STRIP_TOP) / 4
    strip = picture[round(height * (STRIP_TOP + inset)) : round(height * (STRIP_BOTTOM - inset))]
    edges = np.linspace(width * STRIP_LEFT, width * STRIP_RIGHT, COUNTER_BITS + 1)
    number = 0
    for start, end in pairwise(edges):
        level = strip[:, round(start + (end - start) * 0.3) : round(start + (end - start) * 0.7)].mean()
        if 90 < level < 165:
            return None
        number = number << 1 | int(level > 127)
    return number


def tone_level(sound: NDArray[np.float32], tone_hz: int) -> NDArray[np.float64]:
    """Amplitude of one frequency in each block of 10 ms, 0 to 1."""
    block = round(SAMPLE_RATE_HZ * _BLOCK_S)
    count = len(sound) // block
    t = np.arange(count * block) / SAMPLE_RATE_HZ
    mixed = sound[: count * block] * np.exp(-2j * np.pi * tone_hz * t)
    level: NDArray[np.float64] = 2 * np.abs(mixed.reshape(count, block).mean(axis=1))
    return level


def beep_times(path: Path, tone_hz: int) -> list[float]:
    """Where beeps of a frequency begin, seconds, as ffmpeg's own filters see it."""
    band = f"bandpass=f={tone_hz}:width_type=h:w=120"
    command = ["ffmpeg", "-v", "info", "-nostats", "-i", str(path), "-vn"]
    command += ["-af", f"{band},{band},silencedetect=n=-30dB:d=0.3", "-f", "null", "-"]
    log = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    return [float(time) for time in re.findall(r"silence_end: ([0-9.]+)", log)]


def flash_times(path: Path, tile: Tile) -> list[float]:
    """Where the tile turns white, seconds: the first frame of each flash."""
    # The left edge below the strip: no counter, no caption.
    x, y = tile.left + tile.width // 40, tile.top + round(tile.height * 0.4)
    crop = f"crop={max(8, tile.width // 20)}:{max(8, tile.height // 5)}:{x}:{y}"
    command = ["ffmpeg", "-v", "error", "-i", str(path), "-an"]
    command += [
        "-vf",
        f"{crop},signalstats,metadata=print:key=lavfi.signalstats.YAVG:file=-",
        "-f",
        "null",
        "-",
    ]
    log = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    times = [float(time) for time in re.findall(r"pts_time:([0-9.]+)", log)]
    levels = [float(level) for level in re.findall(r"YAVG=([0-9.]+)", log)]
    bright = [level > 190 for level in levels]
    return [times[i] for i in range(1, len(times)) if bright[i] and not bright[i - 1]]


def skews_ms(flashes: list[float], beeps: list[float]) -> list[float]:
    """Sound minus picture for each flash that has a beep within half a second, milliseconds."""
    skews = []
    for flash in flashes:
        nearest = min(beeps, key=lambda beep: abs(beep - flash), default=None)
        if nearest is not None and abs(nearest - flash) < 0.5:
            skews.append((nearest - flash) * 1000)
    return skews


def moov_before_mdat(path: Path) -> bool:
    """Whether a player can begin before it has the whole file (ISO/IEC 14496-12, top-level boxes)."""
    order = []
    with path.open("rb") as file:
        size = path.stat().st_size
        at = 0
        while at + 8 <= size:
            file.seek(at)
            header = file.read(16)
            length = int.from_bytes(header[:4], "big")
            if length == 1:
                length = int.from_bytes(header[8:16], "big")
            order.append(header[4:8])
            if length < 8:
                break
            at += length
    return order.index(b"moov") < order.index(b"mdat")


def exif(path: Path, *tags: str) -> dict[str, Any]:
    """Metadata as exiftool reads it, numbers unformatted."""
    command = [
        "exiftool",
        "-json",
        "-n",
        "-validate",
        "-warning",
        "-error",
        *(f"-{tag}" for tag in tags),
        str(path),
    ]
    result: dict[str, Any] = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)[0]
    return result
