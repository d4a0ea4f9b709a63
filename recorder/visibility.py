"""When a source had a picture to show at all, as the journal tells it.

A muted camera may go on sending black frames, and one that was unpublished leaves its last picture
behind; neither is to be shown. Journal events read here: `track_added` (`track_id`, `participant_id`,
`source`), `track_muted` and `track_unmuted` (`track_id`), `track_ended` (`track_id`, `reason`).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence

from recorder.timeline import JournalEvent

SourceKey = tuple[str, str]
"""Participant and source: what stays the same when a connection, and with it the track, is replaced."""


class Visibility:
    """A step function of session time; visible until told otherwise."""

    def __init__(self, changes: Sequence[tuple[int, bool]] = ()) -> None:
        """
        Args:
            changes: (session time in us, visible from then on), in order of time.
        """
        self._times = [at_us for at_us, _ in changes]
        self._values = [visible for _, visible in changes]

    def at(self, at_us: int) -> bool:
        index = bisect_right(self._times, at_us)
        return self._values[index - 1] if index else True


def visibilities(events: Sequence[JournalEvent]) -> Mapping[SourceKey, Visibility]:
    """The visibility of every source that the journal mentions."""
    keys: dict[str, SourceKey] = {}
    shown: dict[SourceKey, dict[str, bool]] = {}
    changes: dict[SourceKey, list[tuple[int, bool]]] = {}
    for event in events:
        track_id = event.data.get("track_id")
        if not isinstance(track_id, str):
            continue
        if event.type == "track_added":
            keys[track_id] = (str(event.data.get("participant_id")), str(event.data.get("source")))
        key = keys.get(track_id)
        if key is None:
            continue
        tracks = shown.setdefault(key, {})
        match event.type:
            case "track_added" | "track_unmuted":
                tracks[track_id] = True
            case "track_muted":
                tracks[track_id] = False
            case "track_ended" if event.data.get("reason") != "recording_stopped":
                tracks.pop(track_id, None)
            case _:
                continue
        changes.setdefault(key, []).append((event.session_us, any(tracks.values())))
    return {key: Visibility(steps) for key, steps in changes.items()}
