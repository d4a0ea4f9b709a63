from __future__ import annotations

from typing import Any

from recorder.timeline import JournalEvent
from recorder.visibility import visibilities

CAMERA = ("ana", "camera")


def journal(*entries: tuple[int, str, dict[str, Any]]) -> list[JournalEvent]:
    return [JournalEvent(seq, at_us, type_, data) for seq, (at_us, type_, data) in enumerate(entries)]


def added(at_us: int, track_id: str = "t1") -> tuple[int, str, dict[str, Any]]:
    return at_us, "track_added", {"track_id": track_id, "participant_id": "ana", "source": "camera"}


def test_a_muted_camera_is_not_shown_until_it_is_unmuted() -> None:
    shown = visibilities(
        journal(added(0), (5, "track_muted", {"track_id": "t1"}), (9, "track_unmuted", {"track_id": "t1"}))
    )

    assert [shown[CAMERA].at(at_us) for at_us in (0, 4, 5, 8, 9, 10**12)] == [
        True,
        True,
        False,
        False,
        True,
        True,
    ]


def test_an_unpublished_camera_is_gone_at_once() -> None:
    shown = visibilities(journal(added(0), (7, "track_ended", {"track_id": "t1", "reason": "removed"})))

    assert shown[CAMERA].at(6)
    assert not shown[CAMERA].at(7)


def test_the_end_of_the_recording_hides_nothing() -> None:
    ended = {"track_id": "t1", "reason": "recording_stopped"}

    assert visibilities(journal(added(0), (7, "track_ended", ended)))[CAMERA].at(8)


def test_a_reconnect_that_overlaps_stays_visible() -> None:
    shown = visibilities(
        journal(added(0), added(5, "t2"), (6, "track_ended", {"track_id": "t1", "reason": "ended"}))
    )

    assert all(shown[CAMERA].at(at_us) for at_us in range(10))


def test_a_camera_that_comes_back_is_visible_again() -> None:
    ended = {"track_id": "t1", "reason": "removed"}

    shown = visibilities(journal(added(0), (5, "track_ended", ended), added(8, "t2")))

    assert [shown[CAMERA].at(at_us) for at_us in (4, 6, 8)] == [True, False, True]


def test_events_of_unknown_tracks_and_other_types_mean_nothing() -> None:
    assert (
        visibilities(
            journal(
                (1, "track_muted", {"track_id": "t9"}),
                (2, "track_muted", {}),
                (3, "track_ended", {"track_id": 5}),
                (4, "snapshot", {"track_id": "t1"}),
            )
        )
        == {}
    )
