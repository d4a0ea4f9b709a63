"""RTP packets in order to encoded frames: VP8 (RFC 7741), H.264 (RFC 6184), Opus (RFC 7587).

Pure state: no I/O, no clock. A frame is given out only if all of it is there. Whether it can be shown is
another matter: after a lost frame every decoder goes on with a wrong reference and reports nothing, so frames
carry `intact`, false from the first loss up to the next keyframe.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from typing import NamedTuple, Protocol

from mediaserver.rtp import h264, vp8
from mediaserver.sfu.interfaces import Codec

SUPPORTED_CODECS = frozenset({"VP8", "H264", "opus"})
"""Names of codecs, as in `Codec.name`, that there is a depacketizer for."""


class OrderedPacket(NamedTuple):
    """One packet of a stream, after reordering."""

    sequence: int
    """Unwrapped."""
    timestamp: int
    """Unwrapped."""
    marker: bool
    payload: bytes
    """Padding excluded, not empty."""
    gap: bool
    """Packets between this one and the one before it are missing."""


class AccessUnit(NamedTuple):
    """One complete frame."""

    sequence: int
    """Of its first packet, unwrapped."""
    timestamp: int
    """Unwrapped."""
    data: bytes
    """VP8 frame, H.264 in Annex B, or Opus packet."""
    keyframe: bool
    intact: bool


class Depacketizer(Protocol):
    def push(self, packet: OrderedPacket) -> Iterator[AccessUnit]:
        """The frames that this packet completes."""

    def flush(self) -> Iterator[AccessUnit]:
        """The stream has ended: the frames that wait for nothing else."""


def depacketizer(codec: Codec) -> Depacketizer:
    """A depacketizer for one SSRC of a supported codec."""
    match codec.name:
        case "VP8":
            return VideoDepacketizer(Vp8Format())
        case "H264":
            return VideoDepacketizer(H264Format(codec.parameters.get("sprop-parameter-sets", "")))
        case "opus":
            return OpusDepacketizer()
        case name:
            raise ValueError(f"no depacketizer for {name}")


class OpusDepacketizer:
    """One packet is one frame, and each stands for itself."""

    def push(self, packet: OrderedPacket) -> Iterator[AccessUnit]:
        yield AccessUnit(packet.sequence, packet.timestamp, packet.payload, True, True)

    def flush(self) -> Iterator[AccessUnit]:
        return iter(())


class Joined(NamedTuple):
    """What the payloads of one timestamp hold."""

    data: bytes
    """Empty if it is no picture (parameter sets alone)."""
    keyframe: bool
    continuous: bool
    """The payloads themselves prove that no frame is missing before them."""


class VideoFormat(Protocol):
    """What differs between video codecs. Keeps state: payloads are given in order."""

    def join(self, payloads: list[bytes], *, after_gap: bool) -> Joined | None:
        """Put one frame together; None if a part is missing or malformed.

        Args:
            after_gap: packets are missing directly before the first payload.
        """


class VideoDepacketizer:
    """Groups packets by timestamp and follows what is damaged."""

    def __init__(self, format_: VideoFormat) -> None:
        self._format = format_
        self._payloads: list[bytes] = []
        self._sequence = 0
        self._timestamp = 0
        self._after_gap = True
        """Of the frame being collected. Nothing is known of what preceded a stream's first packet."""
        self._broken = False
        """Packets are missing within the frame being collected."""
        self._damaged = True

    def push(self, packet: OrderedPacket) -> Iterator[AccessUnit]:
        if self._payloads and packet.timestamp != self._timestamp:
            yield from self._finish(ended=not packet.gap)
        if packet.gap:
            if self._payloads:
                self._broken = True
            else:
                self._after_gap = True
        if not self._payloads:
            self._sequence, self._timestamp = packet.sequence, packet.timestamp
        self._payloads.append(packet.payload)
        if packet.marker:
            yield from self._finish(ended=True)

    def flush(self) -> Iterator[AccessUnit]:
        if self._payloads:
            yield from self._finish(ended=False)

    def _finish(self, *, ended: bool) -> Iterator[AccessUnit]:
        joined = None
        if ended and not self._broken:
            joined = self._format.join(self._payloads, after_gap=self._after_gap)
        if joined is None:
            self._damaged = True
        else:
            if self._after_gap and not joined.continuous:
                self._damaged = True
            if joined.keyframe:
                self._damaged = False
            if joined.data:
                yield AccessUnit(
                    self._sequence, self._timestamp, joined.data, joined.keyframe, not self._damaged
                )
        self._payloads = []
        self._broken = False
        self._after_gap = False


class Vp8Format:
    """The first packet says that it begins the frame; picture ids show whether a frame is missing."""

    def __init__(self) -> None:
        self._picture_id: int | None = None

    def join(self, payloads: list[bytes], *, after_gap: bool) -> Joined | None:
        previous, self._picture_id = self._picture_id, None
        parts = []
        first: vp8.Descriptor | None = None
        for payload in payloads:
            descriptor = vp8.parse_descriptor(payload, 0, len(payload))
            if descriptor is None:
                return None
            if first is None:
                first = descriptor
            parts.append(payload[descriptor.length :])
        if first is None or not first.starts_frame:
            return None
        data = b"".join(parts)
        self._picture_id = first.picture_id
        continuous = (
            previous is not None
            and first.picture_id is not None
            and (first.picture_id - previous) % (1 << first.picture_id_bits) == 1
        )
        return Joined(data, not data[0] & 0x01, continuous)


class H264Format:
    """Puts parameter sets before every IDR picture that comes without, so that decoding can begin there."""

    def __init__(self, sprop_parameter_sets: str) -> None:
        """
        Args:
            sprop_parameter_sets: the fmtp parameter of that name (RFC 6184 8.1), or empty.
        """
        self._parameter_sets = _decode_sprop(sprop_parameter_sets)
        self._sets_come_with_keyframes = False

    def join(self, payloads: list[bytes], *, after_gap: bool) -> Joined | None:
        units = _nal_units(payloads)
        if units is None:
            return None
        sets = [unit for unit in units if unit[0] & 0x1F in (h264.SPS, h264.PPS)]
        has_sps = any(unit[0] & 0x1F == h264.SPS for unit in sets)
        if has_sps:
            self._parameter_sets = sets
        else:
            self._parameter_sets += [unit for unit in sets if unit not in self._parameter_sets]
        slices = [unit for unit in units if 1 <= unit[0] & 0x1F <= h264.IDR]
        if not slices:
            return Joined(b"", False, False)
        # A slice header begins with first_mb_in_slice as ue(v): a set bit is 0, the top of the picture.
        if after_gap and not (len(slices[0]) > 1 and slices[0][1] & 0x80):
            return None
        keyframe = any(unit[0] & 0x1F == h264.IDR for unit in slices)
        if keyframe and not has_sps:
            # Where every keyframe brings its parameter sets, these were lost, and others may not fit.
            if not self._parameter_sets or (after_gap and self._sets_come_with_keyframes):
                return None
            units = self._parameter_sets + [unit for unit in units if unit not in sets]
        if keyframe and (has_sps or not after_gap):
            self._sets_come_with_keyframes = has_sps
        return Joined(b"".join(h264.START_CODE + unit for unit in units), keyframe, False)


def _nal_units(payloads: list[bytes]) -> list[bytes] | None:
    units: list[bytes] = []
    started: list[bytes] = []
    for payload in payloads:
        fragments = h264.fragments(payload)
        if fragments is None:
            return None
        for fragment in fragments:
            if fragment.starts == bool(started):
                return None
            started.append(fragment.data)
            if fragment.ends:
                units.append(b"".join(started))
                started = []
    return None if started else units


def _decode_sprop(value: str) -> list[bytes]:
    units = []
    for text in value.split(","):
        try:
            unit = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            continue
        if unit and unit[0] & 0x1F in (h264.SPS, h264.PPS):
            units.append(unit)
    return units
