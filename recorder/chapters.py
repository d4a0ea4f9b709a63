"""Chapters of a composite, from the journal: who came and went, photos, shared screens."""

from __future__ import annotations

from collections.abc import Sequence

from recorder.timeline import JournalEvent

Mark = tuple[int, str]
"""Session time in us, and title."""

MAX_CHAPTERS = 500
_MERGED_US = 1_000_000
"""Marks closer than this make one chapter."""


def chapters(events: Sequence[JournalEvent], duration_us: int) -> list[Mark]:
    """Marks in order of time, the first one at 0; none if nothing worth a chapter happened."""
    names: dict[str, str] = {}
    marks: list[Mark] = []
    for event in events:
        title = _title(event, names)
        at_us = max(0, event.session_us)
        if title is None or at_us >= duration_us:
            continue
        if marks and at_us - marks[-1][0] < _MERGED_US:
            marks[-1] = (marks[-1][0], f"{marks[-1][1]}, {title}")
        else:
            marks.append((at_us, title))
    if marks and marks[0][0] < _MERGED_US:
        marks[0] = (0, marks[0][1])
    elif marks:
        marks.insert(0, (0, "Start"))
    return marks[:MAX_CHAPTERS]


def _title(event: JournalEvent, names: dict[str, str]) -> str | None:
    participant_id = str(event.data.get("participant_id"))
    match event.type:
        case "participant_joined":
            names[participant_id] = str(event.data.get("name") or "Somebody")
            return f"{names[participant_id]} joined"
        case "participant_left":
            return f"{names.get(participant_id, 'Somebody')} left"
        case "snapshot":
            return "Photo"
        case "track_added" if event.data.get("source") == "screen":
            return "Screen shared"
        case _:
            return None
