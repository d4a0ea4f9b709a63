from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from recorder.audio import Nudge, Samples, TrackAudio
from recorder.timeline import EncodedFrame
from tests.support.rtp_source import audio_source
from tests.support.timelines import MemoryTrack, track_of

RATE = 48_000
PACKET_US = 20_000


def heard(track: MemoryTrack) -> Samples:
    return np.concatenate(list(TrackAudio(track).samples()), axis=1)


def beeps_ms(samples: Samples) -> list[float]:
    """Where sound begins after at least 200 ms of silence."""
    loud = np.flatnonzero(np.abs(samples[0]) > 0.05)
    starts = loud[np.flatnonzero(np.diff(loud, prepend=-RATE) > RATE // 5)]
    return [float(start) / RATE * 1000 for start in starts]


def moved(us: int) -> MemoryTrack:
    return track_of(
        audio_source(duration_s=2.5),
        change=lambda index, frame: replace(frame, session_us=frame.session_us + us),
    )


def tone_track(duration_s: float, **options: float) -> MemoryTrack:
    """An uninterrupted tone: any step in it is the placement's doing."""
    import av

    context = av.CodecContext.create("libopus", "w")
    context.sample_rate, context.layout, context.format = RATE, "mono", "s16"
    context.bit_rate = 64_000
    frames = []
    for index in range(round(duration_s * 50)):
        wave = np.sin(2 * np.pi * 400 * (index * 960 + np.arange(960)) / RATE)
        frame = av.AudioFrame.from_ndarray(
            (wave * 12_000).astype(np.int16).reshape(1, -1), format="s16", layout="mono"
        )
        frame.sample_rate, frame.pts = RATE, index * 960
        rate = 1 + options.get("drift_ppm", 0.0) * 1e-6
        for packet in context.encode(frame):
            frames.append(
                EncodedFrame(round(index * PACKET_US * rate), bytes(packet), True, True, index * 960)
            )
    template = track_of(audio_source(duration_s=0.1))
    return replace(template, encoded=frames)


def largest_step(samples: Samples) -> float:
    """Of the second difference, relative to what a 400 Hz tone of this amplitude has by itself."""
    bend = np.abs(np.diff(samples[0], n=2)).max()
    natural = 12_000 / 32_768 * (2 * np.pi * 400 / RATE) ** 2
    return float(bend / natural)


@pytest.mark.parametrize("late_us", [0, 333_333, 7_000_000])
def test_sound_is_where_session_time_says(late_us: int) -> None:
    found = beeps_ms(heard(moved(late_us)))

    assert found == pytest.approx([late_us / 1000 + second * 1000 for second in (0, 1, 2)], abs=2.0)


def test_what_precedes_the_start_is_cut_off() -> None:
    assert beeps_ms(heard(moved(-500_000))) == pytest.approx([500, 1500], abs=2.0)


def test_lost_packets_keep_their_length() -> None:
    track = track_of(
        audio_source(duration_s=2.5), change=lambda index, frame: None if 60 <= index < 63 else frame
    )

    audio = TrackAudio(track)
    samples = np.concatenate(list(audio.samples()), axis=1)

    assert beeps_ms(samples) == pytest.approx([0, 1000, 2000], abs=2.0)
    assert audio.concealed_samples == 3 * 960


def test_a_short_loss_is_concealed_without_a_step() -> None:
    whole = tone_track(2.0)
    lossy = replace(whole, encoded=[f for i, f in enumerate(whole.encoded) if i not in (50, 51, 52)])

    gap = slice(50 * 960, 53 * 960)
    samples = heard(lossy)

    assert np.sqrt((samples[0, gap] ** 2).mean()) > 0.05
    assert np.abs(np.diff(samples[0])).max() < 10 ** (-20 / 20)
    assert largest_step(samples[:, RATE // 10 : -2000]) < 6


def test_a_long_loss_is_silence_between_fades() -> None:
    whole = tone_track(3.0)
    lossy = replace(whole, encoded=[f for i, f in enumerate(whole.encoded) if not 50 <= i < 100])

    samples = heard(lossy)

    assert np.abs(samples[0, 55 * 960 : 98 * 960]).max() == 0.0
    assert np.abs(samples[0, 110 * 960 : 140 * 960]).max() > 0.3
    assert np.abs(np.diff(samples[0])).max() < 10 ** (-20 / 20)


@pytest.mark.parametrize("drift_ppm", [-300.0, 120.0])
def test_a_drifting_clock_is_followed_without_a_step(drift_ppm: float) -> None:
    track = tone_track(30.0, drift_ppm=drift_ppm)

    samples = heard(track)

    expected = 30 * RATE * (1 + drift_ppm * 1e-6)
    assert abs(samples.shape[1] - 480 - expected) < 700
    assert largest_step(samples[:, RATE // 10 : -2000]) < 1.5


def test_a_new_stream_with_other_timestamps_goes_on_where_the_clock_says() -> None:
    first, second = audio_source(duration_s=1.5), audio_source(duration_s=1.5, first_timestamp=0xFFFFF000)
    track = track_of(first)
    later = [replace(f, session_us=f.session_us + 2_000_000) for f in track_of(second).encoded]

    samples = heard(replace(track, encoded=[*track.encoded, *later]))

    assert beeps_ms(samples) == pytest.approx([0, 1000, 2000, 3000], abs=2.0)


def test_a_sender_whose_clock_stood_still_keeps_its_place() -> None:
    def pause(index: int, frame: EncodedFrame) -> EncodedFrame:
        return frame if index < 75 else replace(frame, session_us=frame.session_us + 20_000_000)

    samples = heard(track_of(audio_source(duration_s=2.5), change=pause))

    assert beeps_ms(samples) == pytest.approx([0, 1000, 22_000], abs=2.0)


def test_sound_that_overlaps_is_dropped_rather_than_doubled() -> None:
    track = track_of(audio_source(duration_s=1.0))
    again = [replace(f, session_us=f.session_us + 500_000) for f in track.encoded]

    samples = heard(replace(track, encoded=[*track.encoded, *again]))

    assert samples.shape[1] == pytest.approx(1.5 * RATE, abs=2_000)


def test_pauses_of_discontinuous_transmission_keep_their_length_without_a_step() -> None:
    whole = tone_track(2.0)

    def every_400_ms(index: int, frame: EncodedFrame) -> EncodedFrame | None:
        if index < 50:
            return frame
        return replace(frame, data=frame.data[:1]) if index % 20 == 0 else None

    sparse = [every_400_ms(i, f) for i, f in enumerate(whole.encoded)]
    audio = TrackAudio(replace(whole, encoded=[f for f in sparse if f is not None]))

    samples = np.concatenate(list(audio.samples()), axis=1)

    assert samples.shape[1] == pytest.approx(1.62 * RATE, abs=1000)
    assert np.abs(np.diff(samples[0])).max() < 10 ** (-20 / 20)


@pytest.mark.parametrize("data", [b"", b"\xff", b"\xff\x3f"])
def test_a_packet_that_is_no_sound_does_not_end_the_track(data: bytes) -> None:
    def spoil(index: int, frame: EncodedFrame) -> EncodedFrame:
        return replace(frame, data=data) if index == 30 else frame

    samples = heard(track_of(audio_source(duration_s=2.5), change=spoil))

    assert beeps_ms(samples) == pytest.approx([0, 1000, 2000], abs=2.0)


def test_a_track_is_read_as_far_as_it_is_needed() -> None:
    track = track_of(audio_source(duration_s=2.5))

    next(TrackAudio(track).samples())

    assert track.frames_read <= 2


def test_a_track_without_packets_is_silent() -> None:
    track = track_of(audio_source(duration_s=0.1), change=lambda index, frame: None)

    assert list(TrackAudio(track).samples()) == []


@pytest.mark.parametrize("extra", [-1, 0, 1])
def test_a_nudged_tone_stays_the_tone(extra: int) -> None:
    tone = np.sin(2 * np.pi * 400 * np.arange(9600) / RATE).astype(np.float32)
    nudge = Nudge()

    blocks = [nudge.apply(np.stack([block, block]), extra) for block in tone.reshape(-1, 960)]
    samples = np.concatenate(blocks, axis=1)

    assert samples.shape[1] == 9600 + 10 * extra
    stretched = (np.arange(samples.shape[1]) - 2) * 960 / (960 + extra)
    expected = np.sin(2 * np.pi * 400 * stretched / RATE)
    assert np.abs(samples[0, 10:-10] - expected[10:-10]).max() < 2e-3
