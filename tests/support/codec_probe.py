"""Which encoders and decoders exist inside a running process, seen from outside.

The server promises not to decode what it relays. A patched constructor or a log line would only tell what
the code admits to; this looks at the memory of the unmodified process instead. Every codec that libavcodec
runs lives in an `AVCodecContext`, whose first field points to one fixed structure of the library. So: find
that pointer in the process's writable memory, then keep the places where the neighbouring fields make sense
too (`codec` points into the library, at an `AVCodec` whose `name` is a word). aiortc and PyAV have no other
way to a codec than libavcodec.

A context that was freed is not found again, because the allocator overwrites its first field; so take several
samples while the thing to be judged goes on. Linux only, and the process must be a descendant (or root asks).
"""

from __future__ import annotations

import ctypes
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

_MEDIA_TYPES = range(-1, 6)
_NAME = re.compile(rb"[a-z0-9_]{2,32}\0")


@dataclass(frozen=True, slots=True)
class _Mapping:
    start: int
    end: int
    permissions: str
    path: str


def _mappings(pid: int | str) -> list[_Mapping]:
    found = []
    for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
        fields = line.split(maxsplit=5)
        start, _, end = fields[0].partition("-")
        path = fields[5] if len(fields) > 5 else ""
        found.append(_Mapping(int(start, 16), int(end, 16), fields[1], path))
    return found


def _library(pid: int | str) -> tuple[str, int, int] | None:
    """Path, first and last address of the process's libavcodec; None if it has not loaded one."""
    parts = [m for m in _mappings(pid) if Path(m.path).name.startswith("libavcodec")]
    if not parts:
        return None
    return parts[0].path, min(m.start for m in parts), max(m.end for m in parts)


def _class_offset(path: str) -> int:
    """Where in the library the structure lies that every AVCodecContext begins with a pointer to."""
    library = ctypes.CDLL(path)
    library.avcodec_get_class.restype = ctypes.c_void_p
    address: int = library.avcodec_get_class()
    here = _library("self")
    assert here is not None
    assert here[0] == path, f"this process uses {here[0]}, not {path}"
    return address - here[1]


def codec_contexts(pid: int) -> list[str]:
    """Names of the codecs (`vp8`, `libopus`, `libx264`, ...) that the process has a context for right now."""
    library = _library(pid)
    if library is None:
        return []
    path, low, high = library
    pointer = np.uint64(low + _class_offset(path))
    names = []
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:

        def read(address: int, size: int) -> bytes:
            memory.seek(address)
            return memory.read(size)

        for mapping in _mappings(pid):
            if "w" not in mapping.permissions or mapping.path not in ("", "[heap]"):
                continue
            try:
                content = read(mapping.start, mapping.end - mapping.start)
            except OSError:
                continue  # unmapped since the list was read
            words = np.frombuffer(content[: len(content) // 8 * 8], "<u8")
            for word in np.flatnonzero(words == pointer):
                name = _name_at(content, int(word) * 8, low, high, read)
                if name is not None:
                    names.append(name)
    return sorted(names)


def _name_at(content: bytes, at: int, low: int, high: int, read: Callable[[int, int], bytes]) -> str | None:
    """The codec's name if an AVCodecContext begins at `at`, else None."""
    if at + 24 > len(content):
        return None
    _, _, media_type, codec = struct.unpack_from("<QiiQ", content, at)
    if media_type not in _MEDIA_TYPES or not low <= codec < high:
        return None
    (name_address,) = struct.unpack("<Q", read(codec, 8))
    if not low <= name_address < high:
        return None
    match = _NAME.match(read(name_address, 33))
    return match.group()[:-1].decode() if match else None
