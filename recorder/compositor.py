"""The composite: one MP4 of everybody, rendered tick by tick from a timeline.

1280x720 at 25 frames per second, constant; H.264 High with BT.709 limited range declared, AAC-LC 48 kHz
stereo, index in front. Memory does not depend on length. Synchronous and CPU-bound: it runs in the job's
process, never in the server's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

import av

from recorder import mp4
from recorder.audio import SAMPLE_RATE, Samples
from recorder.canvas import Plane
from recorder.errors import RecorderError
from recorder.layout import choose_layout
from recorder.mixing import AudioMix
from recorder.position import Position
from recorder.scene import Scene
from recorder.timeline import Timeline

if TYPE_CHECKING:
    from av.container.core import Chapter


class EmptyRecordingError(RecorderError):
    """Nobody ever sent anything: there is nothing to show or to hear."""

    code = "empty_recording"


@dataclass(frozen=True, slots=True)
class CompositeOptions:
    """How a composite is encoded; the defaults are the product's."""

    width: int = 1280
    height: int = 720
    fps: int = 25
    preset: str = "veryfast"
    crf: int = 23
    max_bit_rate: int = 2_500_000
    audio_bit_rate: int = 128_000
    threads: int = 0
    """Of the encoder; 0: as many as it finds useful."""


DEFAULT_OPTIONS: Final = CompositeOptions()


@dataclass(frozen=True, slots=True)
class CompositeInfo:
    """What the file says about itself."""

    title: str
    position: Position | None = None
    chapters: Sequence[tuple[int, str]] = ()
    """(session time in us, title), in order of time."""


@dataclass(frozen=True, slots=True)
class CompositeReport:
    frames: int
    duration_us: int
    held_frames: int
    """Frames that were sent but not shown, because what they build on was lost."""
    concealed_ms: int
    """Sound that was lost and made up by the decoder."""


def render(
    timeline: Timeline,
    path: Path,
    info: CompositeInfo,
    options: CompositeOptions = DEFAULT_OPTIONS,
    on_progress: Callable[[float], None] = lambda share: None,
) -> CompositeReport:
    """Write the composite of `timeline` to `path` and check it by reading it back.

    Args:
        on_progress: called with 0..1 on every tick.

    Raises:
        EmptyRecordingError: no track has a single frame.
        Mp4Error: what was written is not what should have been.
        OSError: the disk is full.
    """
    if all(next(track.frames(), None) is None for track in timeline.tracks):
        raise EmptyRecordingError(timeline.recording_id)
    frames = max(1, -(-timeline.duration_us * options.fps // 1_000_000))
    scene = Scene(
        timeline, choose_layout([track.role for track in timeline.tracks]), options.width, options.height
    )
    mix = AudioMix([track for track in timeline.tracks if track.kind == "audio"])
    tick_us = Fraction(1_000_000, options.fps)
    tick_samples = SAMPLE_RATE // options.fps
    with _Output(path, timeline, info, options) as output:
        for index in range(frames):
            at_us = round(index * tick_us)
            # A frame belongs to the tick it is nearest to: taking only what is past would delay the picture
            # by half a tick on average.
            output.write_picture(scene.draw(at_us, round(at_us + tick_us / 2)))
            output.write_sound(mix.read(tick_samples))
            on_progress((index + 1) / frames)
    if info.position is not None:
        mp4.write_position(path, info.position)
    duration_us = round(frames * tick_us)
    mp4.verify(path, frames=frames, duration_us=duration_us, fps=options.fps)
    return CompositeReport(
        frames=frames,
        duration_us=duration_us,
        held_frames=scene.held_frames,
        concealed_ms=mix.concealed_ms,
    )


class _Output:
    """The encoders and the file."""

    def __init__(
        self, path: Path, timeline: Timeline, info: CompositeInfo, options: CompositeOptions
    ) -> None:
        self._container = av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"})
        started = datetime.fromtimestamp(timeline.started_wall_us / 1_000_000, UTC)
        self._container.metadata.update(
            {"title": info.title, "creation_time": started.isoformat(timespec="milliseconds")}
        )
        if info.position is not None:
            self._container.metadata["location"] = mp4.location_placeholder(info.position)
        self._container.set_chapters(_chapters(info.chapters, timeline.duration_us))
        self._picture_time = Fraction(1, options.fps)
        self._pictures = 0
        self._video = self._container.add_stream("libx264", rate=options.fps, options=_x264(options))
        self._video.width, self._video.height = options.width, options.height
        self._video.pix_fmt = "yuv420p"
        self._video.codec_context.gop_size = 2 * options.fps
        self._video.codec_context.thread_count = options.threads
        self._samples = 0
        self._audio = self._container.add_stream("aac", rate=SAMPLE_RATE, layout="stereo")
        self._audio.bit_rate = options.audio_bit_rate

    def write_picture(self, planes: Plane) -> None:
        # Not copied: x264 takes its own copy before `encode` returns.
        frame = av.VideoFrame.from_numpy_buffer(planes, format="yuv420p")
        frame.pts, frame.time_base = self._pictures, self._picture_time
        self._pictures += 1
        self._container.mux(self._video.encode(frame))

    def write_sound(self, samples: Samples) -> None:
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="stereo")
        frame.sample_rate = SAMPLE_RATE
        frame.pts, frame.time_base = self._samples, Fraction(1, SAMPLE_RATE)
        self._samples += samples.shape[1]
        self._container.mux(self._audio.encode(frame))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None:
            self._container.mux(self._video.encode(None))
            self._container.mux(self._audio.encode(None))
        self._container.close()


def _x264(options: CompositeOptions) -> dict[str, str]:
    return {
        "profile": "high",
        "preset": options.preset,
        "crf": str(options.crf),
        "maxrate": str(options.max_bit_rate),
        "bufsize": str(2 * options.max_bit_rate),
        "colorspace": "bt709",
        "color_primaries": "bt709",
        "color_trc": "bt709",
        "color_range": "tv",
    }


def _chapters(marks: Sequence[tuple[int, str]], duration_us: int) -> list[Chapter]:
    if not marks:
        return []
    starts = [max(0, min(at_us, duration_us)) // 1000 for at_us, _ in marks]
    ends = [*starts[1:], duration_us // 1000]
    return [
        {
            "id": index,
            "start": start,
            "end": max(end, start),
            "time_base": Fraction(1, 1000),
            "metadata": {"title": title},
        }
        for index, (start, end, (_, title)) in enumerate(zip(starts, ends, marks, strict=True))
    ]
