"""The sound of a recording: its tracks summed in float32 and limited, without ever stepping in level.

Samples are as in `recorder/audio.py`: float32 of shape (2, n), 48 kHz.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from recorder.audio import SAMPLE_RATE, Samples, TrackAudio, silence
from recorder.timeline import AssembledTrack


class Limiter:
    """Keeps peaks below a ceiling by gain that changes gradually; looks one block (5 ms) ahead.

    The gain is a straight line within each block between values that hold for both neighbours, so no
    sample exceeds the ceiling and nothing steps.
    """

    BLOCK = 240
    _RELEASE = 0.02
    """Gain regained per block: from silence to full in 250 ms."""

    def __init__(self, ceiling: float) -> None:
        self._ceiling = ceiling
        self._held = silence(0)
        self._gain: float | None = None

    def process(self, samples: Samples) -> Samples:
        """Limit whole blocks; the last one is kept back until the next call.

        Args:
            samples: a multiple of `BLOCK` long.
        """
        pending = np.concatenate([self._held, samples], axis=1)
        blocks = pending.reshape(2, -1, self.BLOCK)
        count = blocks.shape[1]
        peaks = np.abs(blocks).max(axis=(0, 2))
        wanted = np.minimum(1.0, self._ceiling / np.maximum(peaks, self._ceiling))
        gain = float(wanted[0]) if self._gain is None else self._gain
        gains = [gain]
        for index in range(1, count):
            gain = min(float(wanted[index - 1]), float(wanted[index]), gain + self._RELEASE)
            gains.append(gain)
        self._gain = gain
        self._held = pending[:, -self.BLOCK :]
        if min(gains) >= 1.0:
            return pending[:, : -self.BLOCK]
        edges = np.asarray(gains, dtype=np.float32)
        slope = np.arange(self.BLOCK, dtype=np.float32) / self.BLOCK
        curve = edges[:-1, None] + (edges[1:] - edges[:-1])[:, None] * slope
        return np.asarray(blocks[:, :-1] * curve, np.float32).reshape(2, -1)


class AudioMix:
    """All audio tracks of a recording, summed and limited, read in order."""

    CEILING = 0.794
    """-2 dBFS: leaves room for what the AAC encoder adds to peaks."""
    _CHUNK = 20 * Limiter.BLOCK

    def __init__(self, tracks: Sequence[AssembledTrack]) -> None:
        self._tracks = [TrackAudio(track) for track in tracks]
        self._readers = [_Reader(track.samples()) for track in self._tracks]
        self._limiter = Limiter(self.CEILING)
        self._ready = silence(0)

    @property
    def concealed_ms(self) -> int:
        """Sound that was lost and made up by the decoder, over all tracks, so far."""
        return sum(track.concealed_samples for track in self._tracks) * 1000 // SAMPLE_RATE

    def read(self, count: int) -> Samples:
        """The next `count` samples; silence once every track has ended."""
        while self._ready.shape[1] < count:
            mixed = silence(self._CHUNK)
            for reader in self._readers:
                reader.add_to(mixed)
            self._ready = np.concatenate([self._ready, self._limiter.process(mixed)], axis=1)
        taken, self._ready = self._ready[:, :count], self._ready[:, count:]
        return taken


class _Reader:
    """Cuts a stream of chunks into blocks of the size asked for."""

    def __init__(self, chunks: Iterator[Samples]) -> None:
        self._chunks = chunks
        self._rest = silence(0)

    def add_to(self, mixed: Samples) -> None:
        filled = 0
        while filled < mixed.shape[1]:
            if not self._rest.shape[1]:
                chunk = next(self._chunks, None)
                if chunk is None:
                    return
                self._rest = chunk
            count = min(mixed.shape[1] - filled, self._rest.shape[1])
            mixed[:, filled : filled + count] += self._rest[:, :count]
            self._rest = self._rest[:, count:]
            filled += count
