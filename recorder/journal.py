"""The journal of a recording, `events.jsonl`: everything that happened and is not an RTP packet.

One JSON object per line with `seq` (0, 1, 2, ... without a hole), `mono_us` (server's monotonic clock),
`wall_us` (UTC, microseconds since the epoch), `type`, and the event's own fields beside them. Lines are
only ever appended. Pure: text in, text out; capture writes the lines.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from recorder.errors import JournalError

JsonValue: TypeAlias = "str | int | float | bool | list[JsonValue] | dict[str, JsonValue] | None"

_RESERVED = ("seq", "mono_us", "wall_us", "type")
_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class JournalRecord:
    """One line as it was read."""

    seq: int
    mono_us: int
    wall_us: int
    type: str
    data: dict[str, Any]


def encode_event(seq: int, type: str, data: Mapping[str, JsonValue], *, mono_us: int, wall_us: int) -> bytes:
    """One line, newline included.

    Raises:
        ValueError: `data` uses a reserved name, or holds a number that JSON cannot express.
        TypeError: `data` holds something that is not JSON.
    """
    for name in _RESERVED:
        if name in data:
            raise ValueError(f"{name} is a reserved field")
    line = _encode({"seq": seq, "mono_us": mono_us, "wall_us": wall_us, "type": type, **data})
    # A lone surrogate has no UTF-8 form; it came from a peer and must not stop the journal.
    return line.encode("utf-8", "replace") + b"\n"


def read_journal(path: Path) -> Iterator[JournalRecord]:
    """The records of a journal, in order.

    What follows the last whole line is dropped, and so is an unreadable end: that is how a journal looks
    whose writer was killed or whose machine lost power.

    Raises:
        JournalError: a line in the middle is unreadable, or a sequence number is missing.
        OSError: the file cannot be read.
    """
    unreadable_line: int | None = None
    expected_seq = 0
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            record = _parse(line)
            if record is None:
                if unreadable_line is None:
                    unreadable_line = number
                continue
            if unreadable_line is not None:
                raise JournalError(f"line {unreadable_line} is unreadable")
            if record.seq != expected_seq:
                raise JournalError(f"line {number} has number {record.seq} instead of {expected_seq}")
            expected_seq += 1
            yield record


def _parse(line: bytes) -> JournalRecord | None:
    if not line.endswith(b"\n"):
        return None
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(fields, dict):
        return None
    seq, mono_us, wall_us, type_ = (fields.pop(name, None) for name in _RESERVED)
    if type(seq) is int and type(mono_us) is int and type(wall_us) is int and type(type_) is str:
        return JournalRecord(seq, mono_us, wall_us, type_, fields)
    return None
