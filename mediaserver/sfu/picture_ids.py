"""VP8 picture ids of one forwarded stream, kept continuous over breaks. RFC 7741 section 4.2.

A decoder that sees picture ids jump takes frames to be missing and stops until the next keyframe. Pure
state: no I/O, no clock.
"""

from __future__ import annotations

from mediaserver.rtp.sequence import Unwrapper
from mediaserver.rtp.vp8 import PICTURE_ID_BITS, parse_descriptor, rewrite_descriptor


class PictureIds:
    """Maps a publisher's picture ids and TL0PICIDX into the subscriber's space, from one break to the next.

    The first frame after the break follows the last one sent before it.
    """

    __slots__ = ("_picture_shift", "_tl0_shift", "_unwrapper")

    def __init__(self, unwrapper: Unwrapper, picture_shift: int, tl0_shift: int) -> None:
        self._unwrapper = unwrapper
        self._picture_shift = picture_shift
        self._tl0_shift = tl0_shift

    @classmethod
    def following(cls, last_sent: bytes | None, first: bytes) -> PictureIds | None:
        """The mapping to use from payload `first` on, `None` if payloads can pass as they are.

        Args:
            last_sent: the last payload sent before, `None` at the start of the stream.
            first: the first payload after the break.
        """
        new = parse_descriptor(first, 0, len(first))
        if new is None or new.picture_id is None:
            return None
        old = parse_descriptor(last_sent, 0, len(last_sent)) if last_sent is not None else None
        picture_shift = tl0_shift = 0
        if old is not None and old.picture_id is not None:
            picture_shift = old.picture_id + 1 - new.picture_id
            if old.tl0_picture_index is not None and new.tl0_picture_index is not None:
                tl0_shift = old.tl0_picture_index + 1 - new.tl0_picture_index
        if new.picture_id_bits == PICTURE_ID_BITS and not picture_shift and not tl0_shift:
            return None
        return cls(Unwrapper(new.picture_id_bits), picture_shift, tl0_shift)

    def rewrite(self, payload: bytes) -> bytes:
        """Map one payload; one that carries no picture id is returned as it is."""
        descriptor = parse_descriptor(payload, 0, len(payload))
        if descriptor is None or descriptor.picture_id is None:
            return payload
        picture_id = self._unwrapper.unwrap(descriptor.picture_id) + self._picture_shift
        return rewrite_descriptor(
            payload,
            descriptor,
            picture_id=picture_id & 0x7FFF,
            tl0_picture_index=((descriptor.tl0_picture_index or 0) + self._tl0_shift) & 0xFF,
        )
