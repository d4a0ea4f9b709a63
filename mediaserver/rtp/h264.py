"""H.264 in RTP: single NAL units, STAP-A and FU-A, keyframes, picture size. RFC 6184, ITU-T H.264 7.3.2.1.

Packetization modes 0 and 1 (the only ones that browsers use). A malformed payload parses to `None` or
`False`.
"""

from __future__ import annotations

from typing import NamedTuple

IDR = 5
SPS = 7
PPS = 8
_STAP_A = 24
_FU_A = 28

START_CODE = b"\x00\x00\x00\x01"

# Profiles whose SPS carries chroma format, bit depths and scaling lists (H.264 7.3.2.1.1).
_HIGH_PROFILES = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135})


class Fragment(NamedTuple):
    """A NAL unit, or a piece of one, as one packet carries it.

    The data of consecutive fragments, from one with `starts` to one with `ends`, joined, is the NAL unit
    with its header byte and without start code.
    """

    data: bytes
    starts: bool
    ends: bool


def fragments(payload: bytes) -> list[Fragment] | None:
    """Take one RTP payload (padding removed) apart; `None` if it is malformed or of another mode."""
    if not payload:
        return None
    nal_type = payload[0] & 0x1F
    if 1 <= nal_type <= 23:
        return [Fragment(payload, True, True)]
    if nal_type == _STAP_A:
        found = []
        position = 1
        while position < len(payload):
            size = int.from_bytes(payload[position : position + 2], "big")
            position += 2
            nal = payload[position : position + size]
            if not size or len(nal) < size or not 1 <= nal[0] & 0x1F <= 23:
                return None
            found.append(Fragment(nal, True, True))
            position += size
        return found or None
    if nal_type == _FU_A:
        if len(payload) < 3 or not 1 <= payload[1] & 0x1F <= 23:
            return None
        indicator, header = payload[0], payload[1]
        starts, ends = bool(header & 0x80), bool(header & 0x40)
        if starts and ends:
            return None
        if starts:
            return [Fragment(bytes([(indicator & 0xE0) | (header & 0x1F)]) + payload[2:], True, False)]
        return [Fragment(payload[2:], False, ends)]
    return None


def is_keyframe_start(packet: bytes, start: int, end: int) -> bool:
    """True for a packet at which a decoder can begin: it carries an SPS, or the start of an IDR picture."""
    if start >= end:
        return False
    nal_type = packet[start] & 0x1F
    if nal_type == _FU_A:
        return start + 1 < end and packet[start + 1] & 0x80 != 0 and packet[start + 1] & 0x1F in (IDR, SPS)
    if nal_type == _STAP_A:
        position = start + 1
        while position + 2 < end:
            if packet[position + 2] & 0x1F in (IDR, SPS):
                return True
            position += 2 + ((packet[position] << 8) | packet[position + 1])
        return False
    return nal_type in (IDR, SPS)


def sps_size(nal: bytes) -> tuple[int, int] | None:
    """Width and height in pixels, cropping applied, of a sequence parameter set.

    Args:
        nal: the NAL unit with its header byte, without start code.

    Returns:
        `None` if it is not a readable SPS, or declares a size beyond 16384 pixels.
    """
    if not nal or nal[0] & 0x1F != SPS:
        return None
    try:
        return _parse_sps(_Bits(_without_emulation_prevention(nal[1:256])))
    except EOFError:
        return None


def _without_emulation_prevention(data: bytes) -> bytes:
    # A 3 after two zero bytes is inserted by the encoder (H.264 7.4.1); each is dropped once.
    return data.replace(b"\x00\x00\x03", b"\x00\x00")


class _Bits:
    """Reads big-endian bits; EOFError at the end."""

    __slots__ = ("_left", "_value")

    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data, "big")
        self._left = 8 * len(data)

    def read(self, count: int) -> int:
        if count > self._left:
            raise EOFError
        self._left -= count
        return (self._value >> self._left) & ((1 << count) - 1)

    def golomb(self) -> int:
        """Unsigned Exp-Golomb code ue(v), at most 32 bits (H.264 9.1)."""
        zeros = 0
        while not self.read(1):
            zeros += 1
            if zeros > 31:
                raise EOFError
        return (1 << zeros) - 1 + self.read(zeros)

    def signed_golomb(self) -> int:
        code = self.golomb()
        return (code + 1) // 2 if code & 1 else -(code // 2)


def _parse_sps(bits: _Bits) -> tuple[int, int] | None:
    profile = bits.read(8)
    bits.read(16)  # constraint flags, level
    bits.golomb()  # seq_parameter_set_id
    chroma_format = 1
    separate_planes = 0
    if profile in _HIGH_PROFILES:
        chroma_format = bits.golomb()
        if chroma_format > 3:
            return None
        if chroma_format == 3:
            separate_planes = bits.read(1)
        bits.golomb()  # bit_depth_luma_minus8
        bits.golomb()  # bit_depth_chroma_minus8
        bits.read(1)  # qpprime_y_zero_transform_bypass_flag
        if bits.read(1):  # seq_scaling_matrix_present_flag
            for index in range(12 if chroma_format == 3 else 8):
                if bits.read(1):
                    _skip_scaling_list(bits, 16 if index < 6 else 64)
    bits.golomb()  # log2_max_frame_num_minus4
    order_type = bits.golomb()
    if order_type == 0:
        bits.golomb()  # log2_max_pic_order_cnt_lsb_minus4
    elif order_type == 1:
        bits.read(1)  # delta_pic_order_always_zero_flag
        bits.golomb()  # offset_for_non_ref_pic
        bits.golomb()  # offset_for_top_to_bottom_field
        for _ in range(min(bits.golomb(), 256)):
            bits.golomb()
    bits.golomb()  # max_num_ref_frames
    bits.read(1)  # gaps_in_frame_num_value_allowed_flag
    width = 16 * (bits.golomb() + 1)
    map_units = bits.golomb() + 1
    frame_only = bits.read(1)
    height = 16 * map_units * (2 - frame_only)
    if not frame_only:
        bits.read(1)  # mb_adaptive_frame_field_flag
    bits.read(1)  # direct_8x8_inference_flag
    if bits.read(1):  # frame_cropping_flag
        left, right, top, bottom = (bits.golomb() for _ in range(4))
        chroma = 0 if separate_planes else chroma_format
        unit_x = 2 if chroma in (1, 2) else 1
        unit_y = (2 if chroma == 1 else 1) * (2 - frame_only)
        width -= unit_x * (left + right)
        height -= unit_y * (top + bottom)
    return (width, height) if 0 < width <= 16384 and 0 < height <= 16384 else None


def _skip_scaling_list(bits: _Bits, size: int) -> None:
    last = following = 8
    for _ in range(size):
        if following:
            following = (last + bits.signed_golomb()) % 256
        last = following or last
