"""A recording's directory to a `Timeline`: the same for a clean stop and after `kill -9`.

The packets are read twice. When `assemble` is called, for their arrivals, which fit the clocks; what is kept
is a small entry per second of media. And when frames are asked for, to be put in order and joined as they are
read. Nothing is written.

Assembly adds what it found to the journal's events, behind them: `journal_damaged`, `file_damaged`,
`clock_untrusted`, `codec_unsupported`. Sender reports are used up here and are not among the events.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import structlog

from mediaserver.sfu.interfaces import Codec, TrackKind, TrackSource
from recorder.capture import JOURNAL_FILE, SESSION_FILE, SESSION_VERSION
from recorder.clock import StreamClock, participant_clocks
from recorder.depacketize import SUPPORTED_CODECS
from recorder.errors import JournalError, RecordingUnreadableError
from recorder.journal import JournalRecord, read_journal
from recorder.streams import (
    CapturedFile,
    CapturedStream,
    RawReport,
    StreamScan,
    read_access_units,
    rtp_us,
    scan_stream,
)
from recorder.timeline import EncodedFrame, JournalEvent, Timeline

log = structlog.get_logger()

_FILE_NAME = re.compile(r"\d+-(audio|video)-\d+\.mjr", re.ASCII)


class Session(NamedTuple):
    """What `session.json` says."""

    recording_id: str
    started_mono_us: int
    started_wall_us: int
    details: dict[str, Any]


def read_session(directory: Path) -> Session:
    """
    Raises:
        RecordingUnreadableError: there is no recording here, or of a version that this one cannot read.
    """
    try:
        fields = json.loads((directory / SESSION_FILE).read_bytes())
        if fields["version"] != SESSION_VERSION:
            raise RecordingUnreadableError(f"{SESSION_FILE} has version {fields['version']}")
        session = Session(
            fields["recording_id"], fields["started_mono_us"], fields["started_wall_us"], fields["details"]
        )
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise RecordingUnreadableError(f"{SESSION_FILE}: {type(error).__name__}") from None
    if [type(value) for value in session] != [str, int, int, dict]:
        raise RecordingUnreadableError(f"{SESSION_FILE}: a field has the wrong type")
    return session


def assemble(directory: Path) -> Timeline:
    """Read a recording.

    Args:
        directory: of one recording, as `Capture` made it. Capture must have ended.

    Raises:
        RecordingUnreadableError: there is no recording here, or its journal cannot be understood.
        OSError: a file cannot be read.
    """
    session = read_session(directory)
    journal = _read_journal(directory)
    participants: defaultdict[str, list[_Stream]] = defaultdict(list)
    for track in journal.tracks.values():
        participants[track.participant_id] += _scan(track, journal)
    for streams in participants.values():
        clocks = participant_clocks([stream.scan.readings for stream in streams])
        for stream, clock in zip(streams, clocks, strict=True):
            stream.clock = clock
            if not clock.trusted:
                journal.found("clock_untrusted", track_id=stream.track.track_id, ssrc=stream.captured.ssrc)
    zero_us = session.started_mono_us
    joined = _join(journal.tracks.values(), participants, zero_us)
    return Timeline(
        recording_id=session.recording_id,
        started_wall_us=session.started_wall_us,
        duration_us=max((track.end_us for track in joined), default=0),
        tracks=joined,
        events=[
            JournalEvent(record.seq, record.mono_us - zero_us, record.type, record.data)
            for record in journal.events
        ],
    )


@dataclass(slots=True)
class _Track:
    """One `track_added` and what followed it."""

    track_id: str
    participant_id: str
    participant_name: str
    role: str
    kind: TrackKind
    source: TrackSource
    codec: Codec
    files: defaultdict[int, list[CapturedFile]] = field(default_factory=lambda: defaultdict(list))
    """By SSRC."""
    reports: defaultdict[int, list[RawReport]] = field(default_factory=lambda: defaultdict(list))
    """By SSRC."""


@dataclass(slots=True)
class _Stream:
    """One SSRC of one track."""

    track: _Track
    captured: CapturedStream
    scan: StreamScan
    clock: StreamClock | None = None

    def server_us(self, sequence: int, timestamp: int) -> int:
        assert self.clock is not None
        return self.clock.at(sequence, rtp_us(timestamp, self.captured.codec))

    @property
    def start_us(self) -> int:
        first = self.scan.first
        return self.server_us(first.sequence, first.timestamp)

    @property
    def end_us(self) -> int:
        last = self.scan.last
        return self.server_us(last.sequence, last.timestamp) + self.scan.last_duration_us


@dataclass(frozen=True, slots=True)
class RecordedTrack:
    """An `AssembledTrack` over the files of a recording."""

    track_id: str
    """Of the first connection that carried it."""
    participant_id: str
    participant_name: str
    role: str
    kind: TrackKind
    source: TrackSource
    codec: Codec
    end_us: int
    """Session time of the end of the last sample; 0 without any."""
    _streams: Sequence[_Stream]
    """In order of time."""
    _zero_us: int

    def frames(self) -> Iterator[EncodedFrame]:
        """See `AssembledTrack`. Where a stream takes over from another, the newer one counts."""
        previous_us: int | None = None
        for index, stream in enumerate(self._streams):
            limit_us = self._streams[index + 1].start_us if index + 1 < len(self._streams) else None
            for unit in read_access_units(stream.captured):
                server_us = stream.server_us(unit.sequence, unit.timestamp)
                if limit_us is not None and server_us >= limit_us:
                    break
                if previous_us is not None and server_us <= previous_us:
                    # Two lines of a clock meet: the order of the frames is certain, their distance is not.
                    server_us = previous_us + 1
                previous_us = server_us
                yield EncodedFrame(
                    session_us=server_us - self._zero_us,
                    data=unit.data,
                    keyframe=unit.keyframe,
                    intact=unit.intact,
                    rtp_timestamp=unit.timestamp & 0xFFFFFFFF,
                )


class _Journal:
    """What the journal says, sorted by what it is about."""

    def __init__(self) -> None:
        self.events: list[JournalRecord] = []
        self.tracks: dict[int, _Track] = {}

    def add(self, directory: Path, record: JournalRecord) -> None:
        data = record.data
        match record.type:
            case "sender_report":
                report = RawReport(data["ntp_us"], data["rtp_timestamp"], data["arrival_us"])
                self.tracks[data["track"]].reports[data["ssrc"]].append(report)
                return
            case "track_added":
                self.tracks[data["track"]] = _track(data)
            case "file_opened":
                name = data["file"]
                if _FILE_NAME.fullmatch(name) is None:
                    raise ValueError("not a file name of ours")
                file = CapturedFile(directory / name, data["first_us"])
                self.tracks[data["track"]].files[data["ssrc"]].append(file)
        self.events.append(record)

    def found(self, type: str, **data: Any) -> None:
        """Add a finding of assembly behind the journal's events."""
        last = self.events[-1] if self.events else JournalRecord(-1, 0, 0, "", {})
        self.events.append(JournalRecord(last.seq + 1, last.mono_us, last.wall_us, type, data))
        log.warning(type, **data)


def _read_journal(directory: Path) -> _Journal:
    journal = _Journal()
    try:
        for record in read_journal(directory / JOURNAL_FILE):
            try:
                journal.add(directory, record)
            except (KeyError, TypeError, ValueError) as error:
                raise RecordingUnreadableError(f"event {record.seq}: {type(error).__name__}") from None
    except FileNotFoundError:
        log.warning("journal_missing", recording=directory.name)
    except JournalError as error:
        journal.found("journal_damaged", error=str(error))
    return journal


def _track(data: dict[str, Any]) -> _Track:
    codec = data["codec"]
    return _Track(
        track_id=data["track_id"],
        participant_id=data["participant_id"],
        participant_name=data["participant_name"],
        role=data["role"],
        kind=data["kind"],
        source=data["source"],
        codec=Codec(
            name=codec["name"],
            clock_rate=codec["clock_rate"],
            payload_type=codec["payload_type"],
            channels=codec["channels"],
            parameters=codec["parameters"],
        ),
    )


def _scan(track: _Track, journal: _Journal) -> Iterator[_Stream]:
    if track.codec.name not in SUPPORTED_CODECS:
        journal.found("codec_unsupported", track_id=track.track_id, codec=track.codec.name)
        return
    for ssrc, files in track.files.items():
        captured = CapturedStream(track.kind, track.codec, ssrc, files, track.reports[ssrc])
        damaged: list[str] = []
        scan = scan_stream(captured, damaged)
        for name in damaged:
            journal.found("file_damaged", track_id=track.track_id, file=name)
        if scan is not None:
            yield _Stream(track, captured, scan)


def _join(
    tracks: Iterable[_Track], participants: Mapping[str, Sequence[_Stream]], zero_us: int
) -> list[RecordedTrack]:
    """One track per source and codec of a participant, whatever connections carried it."""
    logical: dict[tuple[str, TrackSource, str], tuple[_Track, list[_Stream]]] = {}
    for track in tracks:
        _, streams = logical.setdefault((track.participant_id, track.source, track.codec.name), (track, []))
        streams += [stream for stream in participants[track.participant_id] if stream.track is track]
    joined = []
    for first, streams in logical.values():
        streams.sort(key=lambda stream: stream.start_us)
        joined.append(
            RecordedTrack(
                track_id=first.track_id,
                participant_id=first.participant_id,
                participant_name=first.participant_name,
                role=first.role,
                kind=first.kind,
                source=first.source,
                codec=first.codec,
                end_us=max((stream.end_us - zero_us for stream in streams), default=0),
                _streams=streams,
                _zero_us=zero_us,
            )
        )
    return joined
