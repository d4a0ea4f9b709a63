"""The sound of one track: Opus decoded and placed on session time.

A packet's place is decided by the session clock, not by counting: what was lost, muted or never sent keeps
its length. Short losses are concealed by the decoder (RFC 6716 section 4.4), longer ones are silence
between short fades, and a sender's clock that runs fast or slow is followed one sample at a time, so that
nothing steps. Memory does not depend on length: everything is drawn from `AssembledTrack.frames`.

Samples are float32 arrays of shape (2, n), full scale 1.0, 48 kHz.
"""

from __future__ import annotations

from collections.abc import Iterator

import av
import numpy as np
import numpy.typing as npt

from mediaserver.rtp import opus
from mediaserver.rtp.sequence import timestamp_delta
from recorder.timeline import AssembledTrack, EncodedFrame

SAMPLE_RATE = opus.CLOCK_RATE

Samples = npt.NDArray[np.float32]

_ENCODER_DELAY = 312
"""Samples by which libopus delays sound (2.5 ms overlap and 4 ms compensation), in every browser."""
_CONCEALED = 5760
"""Longest loss that the decoder is asked to conceal: 120 ms."""
_CONCEALED_DTX = 48_000
"""In discontinuous transmission the decoder makes comfort noise; a packet comes each 400 ms."""
_DTX_PACKET = 2
"""Bytes that a packet of discontinuous transmission has at most."""
_DISTRUST = 1920
"""Disagreement of RTP and session clock, 40 ms, from which on the stream is taken to have been cut."""
_DEAD_ZONE = 48
"""A placement error up to 1 ms is left alone: it is noise of the clock model."""
_FADE = 240
_LONGEST_CHUNK = SAMPLE_RATE


def session_sample(session_us: int) -> int:
    """The index of the sample that sounds at `session_us`."""
    return round(session_us * SAMPLE_RATE / 1_000_000)


class OpusDecoder:
    """One Opus stream's decoder state."""

    def __init__(self) -> None:
        self._context = av.CodecContext.create("libopus", "r")
        self._context.sample_rate = SAMPLE_RATE
        self._context.layout = "stereo"
        self._context.options = {"request_sample_fmt": "flt"}
        self._toc = 0xF8  # CELT, 20 ms: replaced by the first packet's

    def decode(self, packet: bytes) -> Samples:
        """The sound of one packet; shorter than the packet says if it is damaged."""
        self._toc = packet[0] & 0xFC
        return self._decode(packet)

    def conceal(self, count: int) -> Samples:
        """At least `count` samples in continuation of what was decoded last."""
        pieces: list[Samples] = []
        made = 0
        while made < count:
            # A packet without a frame is what the decoder takes for a lost one.
            piece = self._decode(bytes((self._toc,)))
            if not piece.shape[1]:
                piece = silence(count - made)
            pieces.append(piece)
            made += piece.shape[1]
        return np.concatenate(pieces, axis=1) if pieces else silence(0)

    def _decode(self, packet: bytes) -> Samples:
        try:
            frames = self._context.decode(av.Packet(packet))
        except av.FFmpegError:
            return silence(0)
        if not frames:
            return silence(0)
        interleaved = np.concatenate([frame.to_ndarray() for frame in frames], axis=1)
        return np.ascontiguousarray(interleaved.reshape(-1, 2).T, dtype=np.float32)


class TrackAudio:
    """One track's sound from session time zero on."""

    def __init__(self, track: AssembledTrack) -> None:
        self._frames = track.frames()
        self._decoder = OpusDecoder()
        self._nudge = Nudge()
        self._cursor = 0
        """Session sample that the next one made stands for; negative before the start."""
        self.concealed_samples = 0

    def samples(self) -> Iterator[Samples]:
        """Consecutive samples from session time zero until the track's end, at most 1 s at a time."""
        following_timestamp: int | None = None
        concealable = _CONCEALED
        overlaps = False
        for frame in self._frames:
            duration = opus.packet_samples(frame.data)
            if duration is None:
                continue
            place = session_sample(frame.session_us) - _ENCODER_DELAY - Nudge.DELAY
            if following_timestamp is None:
                self._cursor = min(0, place)
                gap, starts = place - self._cursor, True
            else:
                gap = self._gap(frame, place, following_timestamp)
                overlaps = gap < (0 if overlaps else -_DISTRUST)
                if overlaps:
                    continue  # Until what was already placed is past.
                starts = gap > concealable
                if starts:
                    yield from self._fade_out(gap)
            if starts:
                yield from self._silence_until(place)
            elif gap > 0:
                self.concealed_samples += gap
                yield from self._made(self._nudge.apply(self._decoder.conceal(gap)[:, :gap], 0))
            decoded = self._decode(frame, duration)
            if starts:
                _fade_in(decoded)
            yield from self._made(self._nudge.apply(decoded, self._correction(place)))
            following_timestamp = (frame.rtp_timestamp + duration) & 0xFFFFFFFF
            concealable = _CONCEALED_DTX if len(frame.data) <= _DTX_PACKET else _CONCEALED
        if following_timestamp is not None:
            yield from self._fade_out(SAMPLE_RATE)

    def _gap(self, frame: EncodedFrame, place: int, following_timestamp: int) -> int:
        """Samples missing before `frame`; negative for an overlap."""
        by_clock = place - self._cursor
        by_rtp = timestamp_delta(frame.rtp_timestamp, following_timestamp)
        # RTP counts exactly; a new stream or a paused sender makes it jump or stand still.
        return by_rtp if abs(by_rtp - by_clock) <= _DISTRUST else by_clock

    def _decode(self, frame: EncodedFrame, duration: int) -> Samples:
        decoded = self._decoder.decode(frame.data)
        if decoded.shape[1] >= duration:
            return decoded[:, :duration]
        self.concealed_samples += duration - decoded.shape[1]
        return np.concatenate([decoded, self._decoder.conceal(duration)], axis=1)[:, :duration]

    def _correction(self, place: int) -> int:
        """Samples to add to the packet at hand: its place drifts away from where counting has led."""
        error = place - self._cursor
        return 0 if abs(error) <= _DEAD_ZONE else 1 if error > 0 else -1

    def _silence_until(self, place: int) -> Iterator[Samples]:
        self._nudge = Nudge()
        while self._cursor < place:
            yield from self._made(silence(min(_LONGEST_CHUNK, place - self._cursor)))

    def _fade_out(self, room: int) -> Iterator[Samples]:
        """Let the last sound die away within at most `room` samples instead of cutting it off."""
        count = min(2 * _FADE, room)
        tail = self._nudge.apply(self._decoder.conceal(count)[:, :count], 0)
        tail *= np.linspace(1, 0, count, dtype=np.float32)
        yield from self._made(tail)

    def _made(self, samples: Samples) -> Iterator[Samples]:
        """Advance the cursor; what lies before session time zero is dropped."""
        before_start = max(0, min(-self._cursor, samples.shape[1]))
        self._cursor += samples.shape[1]
        if samples.shape[1] > before_start:
            yield samples[:, before_start:]


class Nudge:
    """Passes sound on two samples late, where asked one sample longer or shorter per block.

    Catmull-Rom interpolation over the block, continuous in phase from block to block.
    """

    DELAY = 2

    def __init__(self) -> None:
        self._tail = silence(3)

    def apply(self, block: Samples, extra: int) -> Samples:
        """Give `block` back, delayed, with `extra` (-1, 0, 1) samples more."""
        source = np.concatenate([self._tail, block], axis=1)
        self._tail = source[:, -3:]
        length = block.shape[1]
        if not extra or length < 2:
            return source[:, 1 : 1 + length].copy()
        count = length + extra
        at = 1 + np.arange(count, dtype=np.float64) * (length / count)
        index = at.astype(np.int64)
        x = (at - index).astype(np.float32)
        a, b, c, d = (source[:, index + offset] for offset in (-1, 0, 1, 2))
        curve = b + 0.5 * x * (c - a + x * (2 * a - 5 * b + 4 * c - d + x * (3 * (b - c) + d - a)))
        return np.asarray(curve, np.float32)


def silence(count: int) -> Samples:
    return np.zeros((2, count), np.float32)


def _fade_in(samples: Samples) -> None:
    count = min(_FADE, samples.shape[1])
    samples[:, :count] *= np.linspace(0, 1, count, dtype=np.float32)
