"""EXIF for photos: a TIFF block written beside the picture data, which stays byte for byte what it was.

Exif 2.32 (CIPA DC-008-2019): JPEG APP1 segment, IFD 0, Exif IFD, and a GPS IFD only where a position is
known. Pure functions on bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction

from recorder.errors import RecorderError
from recorder.position import Position

_SOFTWARE = "Sightline"
_MAX_SEGMENT = 0xFFFF - 2
_SOI, _APP1, _SOS, _EOI = 0xD8, 0xE1, 0xDA, 0xD9
_EXIF_HEADER = b"Exif\0\0"

# TIFF field types.
_BYTE, _ASCII, _SHORT, _LONG, _RATIONAL, _UNDEFINED = 1, 2, 3, 4, 5, 7

_EXIF_IFD, _GPS_IFD = 0x8769, 0x8825

_Field = tuple[int, int, int, bytes]
"""Tag, type, count, encoded value."""


class JpegError(RecorderError):
    """The bytes are not a JPEG file that a segment can be inserted into."""

    code = "bad_jpeg"


@dataclass(frozen=True, slots=True)
class PhotoTags:
    """What a photo says about itself."""

    description: str
    """ASCII; other characters become `?`."""
    captured_at_ms: int
    """Instant of capture, milliseconds since the epoch, 1970 to 9999."""
    width: int
    height: int
    unique_id: str
    """32 hexadecimal digits."""
    position: Position | None = None


def write_exif(jpeg: bytes, tags: PhotoTags) -> bytes:
    """Return `jpeg` with `tags` in place of any EXIF that it carried; nothing is encoded again.

    Raises:
        JpegError: `jpeg` is not a JPEG file.
    """
    segment = _EXIF_HEADER + _tiff(tags)
    if len(segment) > _MAX_SEGMENT:
        raise JpegError("the tags do not fit into one segment")
    # Exif wants its segment directly behind the start of the image, before JFIF's.
    return b"\xff\xd8\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment + _without_exif(jpeg)


def _without_exif(jpeg: bytes) -> bytes:
    """Everything after the start-of-image marker, without EXIF segments."""
    if jpeg[:2] != bytes([0xFF, _SOI]):
        raise JpegError("no start of image")
    kept: list[bytes] = []
    position = 2
    while True:
        if position + 4 > len(jpeg) or jpeg[position] != 0xFF:
            raise JpegError("the segments do not lead to picture data")
        marker = jpeg[position + 1]
        if marker == _SOS:
            return b"".join(kept) + jpeg[position:]
        length = int.from_bytes(jpeg[position + 2 : position + 4], "big")
        following = position + 2 + length
        if marker == _EOI or length < 2 or following > len(jpeg):
            raise JpegError("a segment is cut short")
        segment = jpeg[position:following]
        if not (marker == _APP1 and segment[4:10] == _EXIF_HEADER):
            kept.append(segment)
        position = following


def _tiff(tags: PhotoTags) -> bytes:
    instant = datetime.fromtimestamp(tags.captured_at_ms // 1000, UTC)
    date_time = f"{instant:%Y:%m:%d %H:%M:%S}"
    milliseconds = f"{tags.captured_at_ms % 1000:03d}"
    main = [
        _ascii(0x010E, tags.description),
        _shorts(0x0112, 1),  # Orientation: upright
        _rationals(0x011A, Fraction(72)),  # XResolution
        _rationals(0x011B, Fraction(72)),  # YResolution
        _shorts(0x0128, 2),  # ResolutionUnit: inch
        _ascii(0x0131, _SOFTWARE),
        _ascii(0x0132, date_time),
        _shorts(0x0213, 1),  # YCbCrPositioning: centred
    ]
    exif = [
        _undefined(0x9000, b"0232"),  # ExifVersion
        *(_ascii(tag, date_time) for tag in (0x9003, 0x9004)),  # original, digitized
        *(_ascii(tag, "+00:00") for tag in (0x9010, 0x9011, 0x9012)),  # OffsetTime*
        _undefined(0x9101, bytes((1, 2, 3, 0))),  # ComponentsConfiguration: YCbCr
        *(_ascii(tag, milliseconds) for tag in (0x9290, 0x9291, 0x9292)),  # SubSecTime*
        _undefined(0xA000, b"0100"),  # FlashpixVersion
        _shorts(0xA001, 1),  # ColorSpace: sRGB
        _longs(0xA002, tags.width),
        _longs(0xA003, tags.height),
        _ascii(0xA420, tags.unique_id),
    ]
    gps = _gps(tags.position, instant, tags.captured_at_ms % 1000) if tags.position else None

    # Each IFD's length does not depend on the pointers in it, so the first is laid out with placeholders.
    pointers = [_longs(_EXIF_IFD, 0)] + ([_longs(_GPS_IFD, 0)] if gps is not None else [])
    exif_at = 8 + len(_ifd(main + pointers, 8))
    exif_ifd = _ifd(exif, exif_at)
    gps_at = exif_at + len(exif_ifd)
    main.append(_longs(_EXIF_IFD, exif_at))
    if gps is not None:
        main.append(_longs(_GPS_IFD, gps_at))
    gps_ifd = b"" if gps is None else _ifd(gps, gps_at)
    return b"MM\0*" + struct.pack(">L", 8) + _ifd(main, 8) + exif_ifd + gps_ifd


def _gps(position: Position, instant: datetime, milliseconds: int) -> list[_Field]:
    seconds = Fraction(instant.second * 1000 + milliseconds, 1000)
    fields = [
        _bytes(0x00, (2, 3, 0, 0)),  # GPSVersionID
        _ascii(0x01, "N" if position.latitude_deg >= 0 else "S"),
        _degrees(0x02, position.latitude_deg),
        _ascii(0x03, "E" if position.longitude_deg >= 0 else "W"),
        _degrees(0x04, position.longitude_deg),
        _rationals(0x07, Fraction(instant.hour), Fraction(instant.minute), seconds),  # GPSTimeStamp
        _ascii(0x12, "WGS-84"),
        _ascii(0x1D, f"{instant:%Y:%m:%d}"),
    ]
    if position.altitude_m is not None:
        fields.append(_bytes(0x05, (0 if position.altitude_m >= 0 else 1,)))
        fields.append(_rationals(0x06, _hundredths(abs(position.altitude_m))))
    if position.heading_deg is not None:
        # The device's direction of travel (GPSTrack), which is not where its camera looks.
        fields.append(_ascii(0x0E, "T"))
        fields.append(_rationals(0x0F, _hundredths(position.heading_deg % 360)))
    if position.accuracy_m is not None:
        fields.append(_rationals(0x1F, _hundredths(min(position.accuracy_m, 4e7))))
    return fields


def _degrees(tag: int, value: float) -> _Field:
    """Degrees, minutes and seconds to 0.0001", an error below 2e-8 degrees."""
    total = round(abs(value) * 3600 * 10_000)
    minutes, seconds = divmod(total, 60 * 10_000)
    degrees, minutes = divmod(minutes, 60)
    packed = struct.pack(">6L", degrees, 1, minutes, 1, seconds, 10_000)
    return tag, _RATIONAL, 3, packed


def _hundredths(value: float) -> Fraction:
    return Fraction(round(value * 100), 100)


def _ascii(tag: int, value: str) -> _Field:
    encoded = value.encode("ascii", "replace").replace(b"\0", b"?") + b"\0"
    return tag, _ASCII, len(encoded), encoded


def _bytes(tag: int, values: Sequence[int]) -> _Field:
    return tag, _BYTE, len(values), bytes(values)


def _undefined(tag: int, value: bytes) -> _Field:
    return tag, _UNDEFINED, len(value), value


def _shorts(tag: int, *values: int) -> _Field:
    return tag, _SHORT, len(values), struct.pack(f">{len(values)}H", *values)


def _longs(tag: int, *values: int) -> _Field:
    return tag, _LONG, len(values), struct.pack(f">{len(values)}L", *values)


def _rationals(tag: int, *values: Fraction) -> _Field:
    packed = b"".join(struct.pack(">LL", value.numerator, value.denominator) for value in values)
    return tag, _RATIONAL, len(values), packed


def _ifd(fields: Sequence[_Field], offset: int) -> bytes:
    """One image file directory that starts at `offset` of the TIFF block, values behind the entries."""
    entries = struct.pack(">H", len(fields))
    values = b""
    values_at = offset + 2 + 12 * len(fields) + 4
    for tag, kind, count, value in sorted(fields):
        if len(value) <= 4:
            entries += struct.pack(">HHL", tag, kind, count) + value.ljust(4, b"\0")
        else:
            entries += struct.pack(">HHLL", tag, kind, count, values_at + len(values))
            values += value + b"\0" * (len(value) % 2)
    return entries + struct.pack(">L", 0) + values
