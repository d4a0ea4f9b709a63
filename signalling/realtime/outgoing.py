"""The queue between us and one client's socket, with a bound.

Engine.IO gives every socket an unbounded queue; a phone that stopped reading would fill our memory with what
it will never see. Overflow rule: the packet that does not fit and everything after it is dropped, and the
connection is told once, to end it; a client that comes back gets the whole state with its next `join`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

MAX_MESSAGES = 256
MAX_BYTES = 1024 * 1024


class OutgoingQueue(asyncio.Queue[Any]):
    """Holds Engine.IO packets (and None, the library's end mark) until the socket takes them."""

    def __init__(self, max_messages: int = MAX_MESSAGES, max_bytes: int = MAX_BYTES) -> None:
        super().__init__()
        self._max_messages = max_messages
        self._max_bytes = max_bytes
        self._bytes = 0
        self._overflowed = False
        self.on_overflow: Callable[[], None] | None = None

    def _put(self, item: Any) -> None:
        size = _size(item)
        full = self.qsize() >= self._max_messages or self._bytes + size > self._max_bytes
        # The end mark always fits: without it the writer would never learn that it is over.
        if item is not None and (full or self._overflowed):
            if not self._overflowed:
                self._overflowed = True
                if self.on_overflow is not None:
                    self.on_overflow()
            return
        self._bytes += size
        super()._put(item)

    def _get(self) -> Any:
        item = super()._get()
        self._bytes -= _size(item)
        return item


def _size(item: Any) -> int:
    data = getattr(item, "data", None)
    return len(data) if isinstance(data, str | bytes | bytearray) else 0
