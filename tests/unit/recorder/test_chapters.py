from __future__ import annotations

from typing import Any

from recorder.chapters import MAX_CHAPTERS, chapters
from recorder.timeline import JournalEvent

MINUTE_US = 60_000_000


def event(at_us: int, type_: str, **data: Any) -> JournalEvent:
    return JournalEvent(0, at_us, type_, data)


def test_people_photos_and_screens_make_chapters() -> None:
    marks = chapters(
        [
            event(-5_000, "participant_joined", participant_id="a", name="Ana"),
            event(100_000, "participant_joined", participant_id="b", name="Bo"),
            event(10_000_000, "snapshot", media_id=1),
            event(20_000_000, "track_added", source="screen", track_id="t"),
            event(21_000_000, "track_added", source="camera", track_id="u"),
            event(30_000_000, "participant_left", participant_id="b", reason="left"),
        ],
        MINUTE_US,
    )

    assert marks == [
        (0, "Ana joined, Bo joined"),
        (10_000_000, "Photo"),
        (20_000_000, "Screen shared"),
        (30_000_000, "Bo left"),
    ]


def test_the_first_chapter_begins_at_the_start() -> None:
    assert chapters([event(5_000_000, "snapshot")], MINUTE_US) == [(0, "Start"), (5_000_000, "Photo")]


def test_what_happened_after_the_end_is_no_chapter() -> None:
    assert chapters([event(MINUTE_US, "snapshot"), event(5, "mystery")], MINUTE_US) == []


def test_there_is_a_limit() -> None:
    many = [event(index * 2_000_000, "snapshot") for index in range(MAX_CHAPTERS + 50)]

    assert len(chapters(many, 10**12)) == MAX_CHAPTERS


def test_somebody_without_a_name_is_somebody() -> None:
    joined = event(0, "participant_joined", participant_id="a", name=None)
    left = event(9_000_000, "participant_left", participant_id="x")

    assert [title for _, title in chapters([joined, left], MINUTE_US)] == ["Somebody joined", "Somebody left"]
