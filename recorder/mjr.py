"""RTP dumps in the layout of Janus' `.mjr` files, so that independent tools can read what we captured.

    "MJR00002"  u16 length  JSON header
    then for each packet:  "MEET"  u32 arrival  u16 length  RTP packet

All numbers are big endian; `arrival` is milliseconds since the file's first packet. The header holds `t`
(`v` or `a`), `c` (codec, lower case), `s` and `u` (creation and first packet, microseconds since the epoch).

Pure: bytes in, bytes out; `read_mjr` reads a file front to back in constant memory.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, NamedTuple, Self

from mediaserver.sfu.interfaces import TrackKind
from recorder.errors import MjrError

MAGIC = b"MJR00002"
RECORD_MAGIC = b"MEET"
_RECORD = struct.Struct("!4sIH")
_LENGTH = struct.Struct("!H")
_READ_BYTES = 1 << 18
_KINDS: Mapping[str, TrackKind] = {"v": "video", "a": "audio"}


@dataclass(frozen=True, slots=True)
class MjrHeader:
    """The JSON header of one file."""

    kind: TrackKind
    codec: str
    """Lower case: `vp8`, `h264`, `opus`."""
    created_us: int
    """UTC, microseconds since the epoch."""
    first_us: int
    """UTC of the first packet's arrival, microseconds since the epoch."""


class MjrRecord(NamedTuple):
    arrival_ms: int
    """Milliseconds since the file's first packet, 32-bit."""
    packet: bytes


def encode_header(header: MjrHeader) -> bytes:
    """Everything that precedes the first record."""
    fields = {"t": header.kind[0], "c": header.codec, "s": header.created_us, "u": header.first_us}
    text = json.dumps(fields, separators=(",", ":")).encode()
    return MAGIC + _LENGTH.pack(len(text)) + text


def encode_record(arrival_ms: int, packet: bytes) -> bytes:
    """One packet of at most 65535 bytes, `arrival_ms` 32-bit."""
    return _RECORD.pack(RECORD_MAGIC, arrival_ms, len(packet)) + packet


class MjrReader:
    """Reads one file: `header` at once, then the records in the order in which they were written.

    A record that the end of the file cuts short ends the iteration: that is how a file looks whose writer
    was killed. So does anything that is not a record, because there is no way to find the next one.

    Raises (when opened):
        MjrError: not an MJR file, or its header is cut short or unreadable.
        OSError: the file cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._file: IO[bytes] = path.open("rb", buffering=0)
        self._buffer = b""
        try:
            self.header = self._read_header()
        except BaseException:
            self._file.close()
            raise
        self.damaged = False
        """True once the iteration has ended before the end of the file."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def __iter__(self) -> Iterator[MjrRecord]:
        buffer, position = self._buffer, 0
        while True:
            if len(buffer) - position < _RECORD.size + 0xFFFF:
                buffer, position = self._refill(buffer, position), 0
            if len(buffer) - position < _RECORD.size:
                self.damaged = position < len(buffer)
                return
            magic, arrival_ms, length = _RECORD.unpack_from(buffer, position)
            start = position + _RECORD.size
            if magic != RECORD_MAGIC or start + length > len(buffer):
                self.damaged = True
                return
            position = start + length
            yield MjrRecord(arrival_ms, buffer[start:position])

    def _refill(self, buffer: bytes, position: int) -> bytes:
        return buffer[position:] + self._file.read(_READ_BYTES)

    def _read_header(self) -> MjrHeader:
        start = self._file.read(len(MAGIC) + _LENGTH.size)
        if len(start) < len(MAGIC) + _LENGTH.size or not start.startswith(MAGIC):
            raise MjrError("not an MJR file")
        (length,) = _LENGTH.unpack_from(start, len(MAGIC))
        text = self._file.read(length)
        if len(text) < length:
            raise MjrError("the header is cut short")
        return _parse_header(text)


def _parse_header(text: bytes) -> MjrHeader:
    try:
        fields = json.loads(text)
        kind, codec, created_us, first_us = fields["t"], fields["c"], fields["s"], fields["u"]
        header = MjrHeader(_KINDS[kind], codec, created_us, first_us)
    # RecursionError: JSON nests; the others: every way in which it can have another shape.
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise MjrError(f"unreadable header: {type(error).__name__}") from None
    if type(codec) is not str or type(created_us) is not int or type(first_us) is not int:
        raise MjrError("a header field has the wrong type")
    return header
