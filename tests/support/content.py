"""What the fake cameras and microphones of a test call show and say, so that a recording can be judged.

Each side of a call has a colour, a tone and a frame counter. The picture is one flat colour, with a strip
of sixteen black or white cells that spell the frame number in binary: whoever finds the colour knows who is
in the picture, and whoever reads the strip knows which frame it is. The microphone beeps once per second.
`tests/support/judge.py` reads all of it back.
"""

from __future__ import annotations

import subprocess
import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

COUNTER_BITS = 16
STRIP_TOP, STRIP_BOTTOM = 0.10, 0.25
"""Rows of the counter strip, as fractions of the picture's height."""
STRIP_LEFT, STRIP_RIGHT = 0.10, 0.90
"""Columns of the counter strip, as fractions of the picture's width; most significant bit left."""

CAMERA_FPS = 30
"""Chromium plays a Motion JPEG file at this rate, whatever the file says."""
SAMPLE_RATE_HZ = 48000


@dataclass(frozen=True, slots=True)
class Side:
    """How one end of the call looks and sounds."""

    name: str
    rgb: tuple[int, int, int]
    tone_hz: int


REQUESTER = Side("requester", (20, 150, 70), 523)
AGENT = Side("agent", (120, 60, 190), 1319)


@dataclass(frozen=True, slots=True)
class Devices:
    """Files that serve as one side's camera and microphone."""

    camera: Path
    microphone: Path


def make_devices(directory: Path, side: Side) -> Devices:
    return Devices(
        make_camera(directory / f"{side.name}.mjpeg", side),
        make_microphone(directory / f"{side.name}.wav", side),
    )


def camera_frame(side: Side, number: int, width: int, height: int) -> NDArray[np.uint8]:
    """One picture of the fake camera: height x width x 3, RGB."""
    frame = np.empty((height, width, 3), np.uint8)
    frame[:] = side.rgb
    top, bottom = round(height * STRIP_TOP), round(height * STRIP_BOTTOM)
    edges = np.linspace(width * STRIP_LEFT, width * STRIP_RIGHT, COUNTER_BITS + 1).round().astype(int)
    for bit in range(COUNTER_BITS):
        is_set = number >> (COUNTER_BITS - 1 - bit) & 1
        frame[top:bottom, edges[bit] : edges[bit + 1]] = 255 if is_set else 0
    return frame


def make_camera(path: Path, side: Side, *, seconds: int = 60, width: int = 640, height: int = 360) -> Path:
    """A Motion JPEG file for `--use-file-for-fake-video-capture`, which Chromium plays in a loop."""
    encoder = subprocess.Popen(
        [
            *("ffmpeg", "-v", "error", "-y"),
            *(
                "-f",
                "rawvideo",
                "-pix_fmt",
                "rgb24",
                "-s",
                f"{width}x{height}",
                "-r",
                str(CAMERA_FPS),
                "-i",
                "-",
            ),
            *("-c:v", "mjpeg", "-q:v", "3", "-pix_fmt", "yuvj420p", str(path)),
        ],
        stdin=subprocess.PIPE,
    )
    assert encoder.stdin is not None
    with encoder.stdin:
        for number in range(seconds * CAMERA_FPS):
            encoder.stdin.write(camera_frame(side, number, width, height).tobytes())
    if encoder.wait() != 0:
        raise RuntimeError(f"ffmpeg could not make {path}")
    return path


def make_microphone(path: Path, side: Side, *, seconds: int = 10) -> Path:
    """A WAV file for `--use-file-for-fake-audio-capture`: a beep of 300 ms at the start of each second.

    Not a steady tone: the browser's noise suppression would take it for noise and remove it.
    """
    t = np.arange(seconds * SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ
    samples = 0.5 * np.sin(2 * np.pi * side.tone_hz * t) * (t % 1.0 < 0.3)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE_HZ)
        file.writeframes((samples * 32767).astype("<i2").tobytes())
    return path
