"""When the cyclic garbage collector runs: never in the middle of a burst of packets.

CPython starts a collection on an allocation, which in a media server usually is a packet. A full
collection with a few hundred participants takes tens of milliseconds and shows as delay for everybody.
So what exists at start is frozen (never looked at again), and while anybody is connected automatic
collection is off. The server's timer, which runs between packets, collects instead: often, but only the
young objects, whose number is bounded; all of them only once so much survived that the pause must be
paid. With nobody connected the interpreter collects as it likes.

Affects the whole process, so a process has one.
"""

from __future__ import annotations

import gc

YOUNG_OBJECTS = 5_000
"""Collect the youngest generation above this many new container objects: about 0.2 ms."""
YOUNG_COLLECTIONS = 20
"""Collect the middle generation after this many collections of the youngest."""
MIDDLE_COLLECTIONS = 50
"""Collect all after this many collections of the middle generation: five million objects."""


class GcPolicy:
    """Rules the garbage collector between `start` and `stop`; otherwise its methods do nothing."""

    def __init__(self) -> None:
        self._active = False

    def start(self) -> None:
        """Collect, and freeze what is left."""
        gc.collect()
        gc.freeze()
        self._active = True

    def stop(self) -> None:
        """Give the collector back to the interpreter. May be called again."""
        if self._active:
            self._active = False
            gc.unfreeze()
            gc.enable()

    def set_busy(self, busy: bool) -> None:
        """Tell that somebody is connected now, or that nobody is any more."""
        if not self._active:
            return
        if busy:
            gc.disable()
        else:
            gc.enable()
            gc.collect()

    def on_timer(self) -> None:
        """While busy: a moment at which a short pause does least harm."""
        if not self._active:
            return
        young, middle, old = gc.get_count()
        if middle >= YOUNG_COLLECTIONS:
            gc.collect(2 if old >= MIDDLE_COLLECTIONS else 1)
        elif young >= YOUNG_OBJECTS:
            gc.collect(0)
