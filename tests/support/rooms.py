"""A room service on a real store, without sockets, media or disk: everything else is a fake."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast
from uuid import UUID

from mediaserver.server import MediaServer
from mediaserver.sfu.interfaces import PublishedTrack, RtpSink
from mediaserver.tasks import TaskOwner
from recorder.errors import DiskLowError
from recorder.products import RecordingResult
from recorder.recording import RecordingStatus
from recorder.service import Recorder, RecordingInfo
from recorder.snapshot import NoPictureError, Snapshot
from signalling.access.passwords import PasswordLockout
from signalling.access.tokens import AgentTokens, MediaLinks, ResumeTokens
from signalling.links import Links
from signalling.rooms.context import RoomContext
from signalling.rooms.door import Door
from signalling.rooms.library import Library
from signalling.rooms.participant import RoomParticipant
from signalling.rooms.room import Entrance, LiveRoom
from signalling.rooms.service import RoomService
from signalling.store import Store
from signalling.store.records import Room
from tests.support.rtp_source import VP8, FakeTrack
from tests.support.store import SettableClock, new_room

HOLD_S = 120.0


class FakePeer:
    """Remembers what it was sent."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, dict[str, Any]]] = []
        self.closed = False

    def send(self, event: str, payload: dict[str, Any]) -> None:
        if not self.closed:
            self.sent.append((event, payload))

    def close(self) -> None:
        self.closed = True

    def named(self, event: str) -> list[dict[str, Any]]:
        return [payload for name, payload in self.sent if name == event]


class FakeMedia:
    """Media server, room and participant in one: nothing flows."""

    def __init__(self) -> None:
        self.open: set[str] = set()
        self.name = "server"

    def create_room(self, room_id: str) -> FakeMedia:
        return self._child(room_id)

    def add_participant(self, participant_id: str, listener: object) -> FakeMedia:
        return self._child(participant_id)

    async def negotiate(self, offer: str, **_: object) -> str:
        return f"answer to {offer}"

    async def aclose(self) -> None:
        self.open.discard(self.name)

    def _child(self, name: str) -> FakeMedia:
        child = FakeMedia()
        child.open, child.name = self.open, name
        self.open.add(name)
        return child


@dataclass
class FakeCapture:
    """What `Capture` was told."""

    info: RecordingInfo
    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    tracks: list[str] = field(default_factory=list)
    stopped: str | None = None

    def event(self, type: str, /, **data: Any) -> None:
        self.events.append((type, data))

    def add_track(self, track: PublishedTrack, *, participant_name: str, role: str) -> RtpSink | None:
        self.tracks.append(track.track_id)
        return None

    def remove_track(self, track_id: str) -> None:
        self.tracks.remove(track_id)

    async def stop(self, reason: str) -> None:
        self.stopped = reason


class FakeRecorder:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.captures: dict[UUID, FakeCapture] = {}
        self.disk_low = False
        self.no_picture = False
        self.results: dict[str, tuple[RecordingResult, Path]] = {}
        self.positions: list[object] = []

    def begin(self, recording: RecordingInfo) -> FakeCapture:
        if self.disk_low:
            raise DiskLowError
        capture = FakeCapture(recording)
        self.captures[recording.recording_id] = capture
        return capture

    async def take_snapshot(
        self, gop: object, *, at_us: int, at_wall_us: int, position: object = None
    ) -> Snapshot:
        if self.no_picture:
            raise NoPictureError
        self.positions.append(position)
        path = self.directory / "photos" / "2026" / f"{at_wall_us}.jpg"
        captured_at_ms = at_wall_us // 1000
        return Snapshot(path, f"diag_snapshot_{captured_at_ms}", captured_at_ms, 640, 480, 1234, "running")

    async def result(self, recording_id: str) -> tuple[RecordingResult, Path] | None:
        return self.results.get(recording_id)

    @property
    def only(self) -> FakeCapture:
        [capture] = self.captures.values()
        return capture


def result_of(recording_id: str, status: RecordingStatus, **changes: Any) -> RecordingResult:
    values: dict[str, Any] = {"error": None, "problems": (), "composite": None, "tracks": ()}
    return RecordingResult(recording_id=recording_id, status=status, **values | changes)


class Rooms:
    """The service and the doors around it."""

    def __init__(self, store: Store, directory: Path, clock: SettableClock) -> None:
        self.store = store
        self.clock = clock
        self.now_s = 1000.0
        self.recorder = FakeRecorder(directory)
        self.media = FakeMedia()
        self.library = Library(photos=directory / "photos", recordings=directory / "recordings")
        self.tasks = TaskOwner("test")
        self.agent_tokens = AgentTokens(b"a" * 32, 900, lambda: clock().timestamp())
        self.resume_tokens = ResumeTokens(b"r" * 32, lambda: clock().timestamp())
        self.links = Links("http://host", self.agent_tokens, MediaLinks(b"m" * 32, "http://host", 3600))
        self.service = self.new_service()

    def new_service(self) -> RoomService:
        """Another one on the same store, as after a restart."""
        self.service = RoomService(
            RoomContext(
                store=self.store,
                media_server=cast(MediaServer, self.media),
                recorder=cast(Recorder, self.recorder),
                library=self.library,
                links=self.links,
                resume_tokens=self.resume_tokens,
                seat_hold_s=HOLD_S,
                tasks=self.tasks,
                wall_clock=self.clock,
                monotonic=lambda: self.now_s,
            )
        )
        self.door = Door(
            find=self.service.find,
            find_meeting=self.service.find_meeting,
            store=self.store,
            lockout=PasswordLockout(),
            agent_tokens=self.agent_tokens,
            resume_tokens=self.resume_tokens,
        )
        return self.service

    async def create(self, **changes: Any) -> LiveRoom:
        async with self.store.write() as tx:
            record = await tx.rooms.create(new_room(self.clock.now, **changes))
        await self.service.room_changed(record)
        room = await self.service.find(record.conv_id)
        assert room is not None
        return room

    async def stored(self, room: LiveRoom) -> Room:
        async with self.store.read() as tx:
            record = await tx.rooms.by_id(room.record.id)
        assert record is not None
        return record

    async def events(self, room: LiveRoom) -> list[str]:
        async with self.store.read() as tx:
            return [event.type for event in await tx.events.after(room.record.id, 0)]

    async def pass_time(self, room: LiveRoom, **delta: float) -> None:
        """Both clocks advance, and the room looks at them."""
        before = self.clock.now
        self.clock.advance(**delta)
        self.now_s += (self.clock.now - before).total_seconds()
        await room.check_deadlines()


async def sit(room: LiveRoom, role: Any = "requester", **entrance: Any) -> tuple[RoomParticipant, FakePeer]:
    """Somebody takes a seat."""
    peer = FakePeer()
    if role in ("agent", "moderator"):
        entrance.setdefault("token_id", "token")
    participant, _ = await room.join(Entrance(role=role, **entrance), peer)
    return participant, peer


def camera(participant: RoomParticipant, name: str = "camera") -> FakeTrack:
    """A video track that `participant` begins to publish."""
    track = FakeTrack("video", "camera", VP8, name, participant.participant_id)
    participant.on_track_published(track)
    return track


@asynccontextmanager
async def rooms_on(directory: Path) -> AsyncIterator[Rooms]:
    clock = SettableClock()
    store = await Store.open(f"sqlite:///{directory}/rooms.db", clock=clock)
    rooms = Rooms(store, directory, clock)
    try:
        yield rooms
    finally:
        await rooms.service.aclose()
        await rooms.tasks.aclose()
        await store.aclose()
