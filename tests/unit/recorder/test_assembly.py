from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recorder.assembly import assemble, read_session
from recorder.errors import RecordingUnreadableError
from recorder.timeline import EncodedFrame, Timeline
from tests.support.capturing import Publication, record
from tests.support.rtp_source import (
    GREEN,
    H264,
    SCENARIO_UNIX_US,
    VP8,
    Network,
    Report,
    RtpSource,
    audio_source,
    ntp_from_unix_us,
    split_annex_b,
    video_source,
)

MS = 1000
SECOND = 1_000_000
DELAY_US = 20 * MS


@cache
def camera() -> RtpSource:
    return video_source(
        duration_s=3, first_sequence=65_500, first_timestamp=2**32 - 90_000, keyframe_every=25
    )


@cache
def microphone() -> RtpSource:
    return audio_source(duration_s=3, first_sequence=65_500, first_timestamp=2**32 - 48_000)


def frames(timeline: Timeline, index: int = 0) -> list[EncodedFrame]:
    return list(timeline.tracks[index].frames())


async def test_frames_come_back_as_they_were_encoded_and_when(tmp_path: Path) -> None:
    network = Network(delay_us=DELAY_US, jitter_us=5 * MS, reordering=0.08, duplicates=0.05)
    sources = [camera(), microphone(), video_source(H264, colour=GREEN, source="screen")]
    timeline = assemble(await record(tmp_path, [Publication(network.carry(source)) for source in sources]))
    assert [(track.kind, track.source) for track in timeline.tracks] == [
        ("video", "camera"),
        ("audio", "microphone"),
        ("video", "screen"),
    ]
    for index, source in enumerate(sources):
        found = frames(timeline, index)
        if source.codec is H264:
            assert [split_annex_b(f.data) for f in found] == [split_annex_b(s.data) for s in source.samples]
        else:
            assert [frame.data for frame in found] == [sample.data for sample in source.samples]
        assert [f.rtp_timestamp for f in found] == [s.rtp_timestamp for s in source.samples]
        assert [f.keyframe for f in found] == [s.keyframe for s in source.samples]
        assert all(frame.intact for frame in found)
        for frame, sample in zip(found, source.samples, strict=True):
            assert abs(frame.session_us - sample.capture_us - DELAY_US) < 6 * MS
    assert timeline.started_wall_us == SCENARIO_UNIX_US


async def test_sound_and_picture_of_one_participant_share_their_clock(tmp_path: Path) -> None:
    # The picture is encoded 60 ms late, and the sound card drifts: reports tell both.
    video = Network(jitter_us=15 * MS, seed=1).carry(
        video_source(duration_s=30, fps=10, encode_delay_us=60 * MS)
    )
    audio = Network(jitter_us=15 * MS, seed=2).carry(
        audio_source(duration_s=30, drift_ppm=200, start_us=2_300 * MS)
    )
    timeline = assemble(await record(tmp_path, [Publication(video), Publication(audio)]))
    errors = [
        frame.session_us - sample.capture_us
        for index, source in enumerate((video, audio))
        for frame, sample in zip(frames(timeline, index), source.samples, strict=True)
    ]
    assert max(errors) - min(errors) < 2 * MS


async def test_report_that_follows_the_last_packet_counts(tmp_path: Path) -> None:
    late = video_source(duration_s=0.16, encode_delay_us=60 * MS)
    ntp = ntp_from_unix_us(SCENARIO_UNIX_US + 300 * MS)
    report = Report(300 * MS, late.ssrc, ntp, late.samples[0].rtp_timestamp + 300 * 90)
    source = Network(delay_us=DELAY_US).carry(replace(late, events=[*late.events, report]))
    found = frames(assemble(await record(tmp_path, [Publication(source)])))
    errors = [f.session_us - s.capture_us - DELAY_US for f, s in zip(found, late.samples, strict=True)]
    assert max(map(abs, errors)) < 2 * MS


@pytest.mark.parametrize(("video_s", "audio_s"), [(1, 2), (3, 1)])
async def test_duration_lasts_until_the_end_of_the_last_sample(
    tmp_path: Path, video_s: int, audio_s: int
) -> None:
    sources = [video_source(duration_s=video_s), audio_source(duration_s=audio_s)]
    timeline = assemble(await record(tmp_path, [Publication(source) for source in sources]))
    assert abs(timeline.duration_us - max(video_s, audio_s) * SECOND) < 2 * MS


async def test_reconnect_with_another_ssrc_stays_one_track(tmp_path: Path) -> None:
    first = video_source(duration_s=1, ssrc=1)
    second = video_source(
        duration_s=1, ssrc=2, start_us=3 * SECOND, first_timestamp=77, first_sequence=9, first_counter=25
    )
    timeline = assemble(await record(tmp_path, [Publication(first), Publication(second)]))
    [track] = timeline.tracks
    assert track.track_id == "track-0"
    found = frames(timeline)
    assert [frame.data for frame in found] == [s.data for s in [*first.samples, *second.samples]]
    assert [frame.session_us // SECOND for frame in found] == [0] * 25 + [3] * 25
    assert all(frame.intact for frame in found)


async def test_new_stream_ends_the_one_that_it_replaces(tmp_path: Path) -> None:
    old = video_source(duration_s=2, ssrc=1)
    new = video_source(duration_s=2, ssrc=2, start_us=1 * SECOND, first_counter=50)
    found = frames(assemble(await record(tmp_path, [Publication(old), Publication(new)])))
    assert [f.data for f in found] == [s.data for s in [*old.samples[:25], *new.samples]]
    instants = [frame.session_us for frame in found]
    assert instants == sorted(set(instants))


async def test_reconnect_with_another_codec_is_another_track(tmp_path: Path) -> None:
    publications = [Publication(video_source(VP8)), Publication(video_source(H264, start_us=2 * SECOND))]
    timeline = assemble(await record(tmp_path, publications))
    assert [track.codec.name for track in timeline.tracks] == ["VP8", "H264"]
    assert {track.participant_id for track in timeline.tracks} == {"p1"}


async def test_participants_are_told_apart(tmp_path: Path) -> None:
    publications = [
        Publication(camera()),
        Publication(video_source(colour=GREEN), "p2", "Bob", "agent"),
    ]
    timeline = assemble(await record(tmp_path, publications))
    assert [(t.participant_id, t.participant_name, t.role) for t in timeline.tracks] == [
        ("p1", "Ana", "requester"),
        ("p2", "Bob", "agent"),
    ]


async def test_loss_damages_up_to_the_next_keyframe(tmp_path: Path) -> None:
    lossy = Network(drop=lambda index: index == 30).carry(camera())
    found = frames(assemble(await record(tmp_path, [Publication(lossy)])))
    assert len(found) == 74
    damaged = [index for index, frame in enumerate(found) if not frame.intact]
    assert damaged and damaged == list(range(damaged[0], 24))


async def test_track_that_sent_nothing_is_there_and_empty(tmp_path: Path) -> None:
    silent = RtpSource("video", "camera", VP8, 1, [], [])
    timeline = assemble(await record(tmp_path, [Publication(silent)]))
    assert frames(timeline) == []
    assert timeline.duration_us == 0


async def test_codec_that_nobody_knows_is_reported(tmp_path: Path) -> None:
    strange = RtpSource("video", "camera", VP8.__class__("AV9", 90_000, 45), 1, [], camera().events)
    timeline = assemble(await record(tmp_path, [Publication(strange)]))
    assert frames(timeline) == []
    assert timeline.events[-1].type == "codec_unsupported"


async def test_events_are_on_session_time_without_sender_reports(tmp_path: Path) -> None:
    timeline = assemble(await record(tmp_path, [Publication(camera())]))
    types = [event.type for event in timeline.events]
    assert types == [
        "recording_started",
        "track_added",
        "keyframe_requested",
        "file_opened",
        "track_ended",
        "recording_stopped",
    ]
    assert timeline.events[0].session_us == 0
    assert timeline.events[-1].data["reason"] == "test"


async def test_file_that_never_reached_the_disk_costs_only_itself(tmp_path: Path) -> None:
    directory = await record(tmp_path, [Publication(camera()), Publication(microphone())])
    (directory / "001-video-1.mjr").unlink()
    (directory / "002-audio-1.mjr").write_bytes((directory / "002-audio-1.mjr").read_bytes()[:-3])
    timeline = assemble(directory)
    assert frames(timeline, 0) == []
    assert [frame.data for frame in frames(timeline, 1)] == [s.data for s in microphone().samples[:-1]]
    assert [(e.type, e.data["file"]) for e in timeline.events[-2:]] == [
        ("file_damaged", "001-video-1.mjr"),
        ("file_damaged", "002-audio-1.mjr"),
    ]


async def test_damaged_journal_gives_what_is_before_the_damage(tmp_path: Path) -> None:
    directory = await record(tmp_path, [Publication(camera()), Publication(microphone())])
    journal = directory / "events.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    broken = next(n for n, line in enumerate(lines) if b'"microphone"' in line)
    journal.write_bytes(b"".join([*lines[:broken], b"?\n", *lines[broken + 1 :]]))
    timeline = assemble(directory)
    assert [track.source for track in timeline.tracks] == ["camera"]
    assert timeline.events[-1].type == "journal_damaged"


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
async def test_any_truncation_gives_a_prefix(tmp_path: Path, data: st.DataObject) -> None:
    directory = next(tmp_path.glob("*/*/*/*"), None)
    if directory is None:
        directory = await record(tmp_path, [Publication(camera()), Publication(microphone())])
        for path in directory.glob("[0-9e]*"):
            path.rename(path.with_name("whole-" + path.name))
    for whole in directory.glob("whole-*"):
        content = whole.read_bytes()
        length = data.draw(st.integers(0, len(content)))
        (directory / whole.name.removeprefix("whole-")).write_bytes(content[:length])
    timeline = assemble(directory)
    for track, source in zip(timeline.tracks, (camera(), microphone()), strict=False):
        found = [frame.data for frame in track.frames()]
        assert found == [sample.data for sample in source.samples[: len(found)]]


@pytest.mark.parametrize(
    "session",
    [
        None,
        b"",
        b"[]",
        b'{"version":2}',
        b'{"version":1}',
        b'{"version":1,"recording_id":1,"started_mono_us":1,"started_wall_us":1,"details":{}}',
    ],
)
def test_directory_without_a_recording_is_refused(tmp_path: Path, session: bytes | None) -> None:
    if session is not None:
        (tmp_path / "session.json").write_bytes(session)
    with pytest.raises(RecordingUnreadableError):
        assemble(tmp_path)


def test_death_right_after_the_start_leaves_an_empty_recording(tmp_path: Path) -> None:
    session = {
        "version": 1,
        "recording_id": "x",
        "started_mono_us": 5,
        "started_wall_us": 6,
        "details": {"a": 1},
    }
    (tmp_path / "session.json").write_text(json.dumps(session))
    assert assemble(tmp_path) == Timeline("x", 6, 0, [], [])
    assert read_session(tmp_path).details == {"a": 1}


@pytest.mark.parametrize(
    "line",
    [
        b'"type":"file_opened","track":1,"file":"../../etc/passwd","ssrc":1,"first_us":0',
        b'"type":"file_opened","track":9,"file":"001-video-1.mjr","ssrc":1,"first_us":0',
        b'"type":"track_added","track":2',
        b'"type":"sender_report","track":1',
    ],
)
async def test_journal_that_makes_no_sense_is_refused(tmp_path: Path, line: bytes) -> None:
    directory = await record(tmp_path, [Publication(RtpSource("video", "camera", VP8, 1, [], []))])
    journal = directory / "events.jsonl"
    kept = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(kept) + b'{"seq":%d,"mono_us":1,"wall_us":1,%b}\n' % (len(kept), line))
    with pytest.raises(RecordingUnreadableError):
        assemble(directory)
