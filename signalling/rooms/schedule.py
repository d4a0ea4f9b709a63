"""When a session's people are warned, and when it ends.

Pure: wall-clock datetimes come in, what is due comes out. Of warnings whose time has passed already (the
session is short, its end was moved, somebody comes late), only the one for the shorter time is given.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

WARNINGS = (timedelta(minutes=5), timedelta(minutes=1))
"""Longest first."""


@dataclass(frozen=True, slots=True)
class Warn:
    seconds_left: int


@dataclass(frozen=True, slots=True)
class End:
    pass


class Schedule:
    """The deadlines of one room."""

    def __init__(self, end_time: datetime) -> None:
        self.end_time = end_time
        self._given: timedelta | None = None
        """The shortest warning that was given."""

    def move(self, end_time: datetime) -> None:
        """The end was changed, perhaps; people are warned again of another one."""
        if end_time != self.end_time:
            self.end_time = end_time
            self._given = None

    def repeat(self) -> None:
        """Somebody came who has heard no warning: the last one is due again."""
        self._given = None

    def due(self, now: datetime) -> Warn | End | None:
        """What has to be done now. A warning is returned once."""
        left = self.end_time - now
        if left <= timedelta(0):
            return End()
        warning = self._pending(left)
        if warning is None:
            return None
        self._given = warning
        return Warn(seconds_left=round(left.total_seconds()))

    def next_at(self, now: datetime) -> datetime:
        """When `due` has to be asked again."""
        left = self.end_time - now
        if self._pending(left) is not None:
            return now
        coming = [self.end_time - warning for warning in WARNINGS if left > warning]
        return min([*coming, self.end_time])

    def _pending(self, left: timedelta) -> timedelta | None:
        """The warning that belongs to the time left, unless it was given."""
        reached = [warning for warning in WARNINGS if left <= warning]
        if not reached or (self._given is not None and self._given <= reached[-1]):
            return None
        return reached[-1]
