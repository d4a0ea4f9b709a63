"""A media server with the least signalling that a browser needs, and clients for it."""

from __future__ import annotations

import asyncio
import json
import pathlib
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from aiortc import RTCBundlePolicy, RTCConfiguration, RTCPeerConnection, RTCRtpSender, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack

from mediaserver.errors import MediaError
from mediaserver.participant import Participant
from mediaserver.room import Room
from mediaserver.server import MediaServer
from mediaserver.settings import MediaSettings
from mediaserver.sfu.interfaces import ConnectionState, PublishedTrack, TrackSource

PAGE = pathlib.Path(__file__).with_name("media_page.html")
SOURCES: dict[str, TrackSource] = {"audio": "microphone", "video": "camera"}


@dataclass
class Listener:
    """Remembers what a participant's listener is told."""

    states: list[ConnectionState] = field(default_factory=list)
    published: list[PublishedTrack] = field(default_factory=list)
    unpublished: list[PublishedTrack] = field(default_factory=list)

    def on_track_published(self, track: PublishedTrack) -> None:
        self.published.append(track)

    def on_track_unpublished(self, track: PublishedTrack) -> None:
        self.unpublished.append(track)

    def on_connection_state(self, state: ConnectionState) -> None:
        self.states.append(state)


@asynccontextmanager
async def media_server(**settings: Any) -> AsyncIterator[MediaServer]:
    """A server on a free port."""
    server = MediaServer(MediaSettings(port=0, **settings))
    await server.start()
    try:
        yield server
    finally:
        await server.aclose()


async def until(condition: Any, timeout_s: float = 10.0, what: str = "condition") -> Any:
    """Poll until `condition()` is true; its value."""
    end = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {timeout_s} s: {what}")
        await asyncio.sleep(0.01)


class AiortcClient:
    """An aiortc peer connection that talks to a `Participant` directly."""

    def __init__(self, room: Room, name: str) -> None:
        self.listener = Listener()
        self.room = room
        self.participant: Participant = room.add_participant(name, self.listener)
        self.connect()

    def connect(self) -> None:
        """Begin a new peer connection."""
        self.pc = RTCPeerConnection(RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE))
        self.frames: dict[str, int] = {"audio": 0, "video": 0}
        self.last_frame: dict[str, Any] = {}
        self.subscribed: dict[Any, str] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self.pc.on("track", self._on_track)

    def publish(self, track: MediaStreamTrack, codec: str | None = None) -> None:
        """Add a track; `codec` such as `video/H264` restricts what is offered."""
        transceiver = self.pc.addTransceiver(track, direction="sendonly")
        if codec is not None:
            codecs = RTCRtpSender.getCapabilities(track.kind).codecs
            transceiver.setCodecPreferences([c for c in codecs if c.mimeType in (codec, "video/rtx")])

    def subscribe(self, *tracks: PublishedTrack) -> None:
        """Add a receiving section for each track."""
        for track in tracks:
            self.subscribed[self.pc.addTransceiver(track.kind, direction="recvonly")] = track.track_id

    async def negotiate(self) -> str:
        """One offer and its answer."""
        await self.pc.setLocalDescription(await self.pc.createOffer())
        answer = await self.participant.negotiate(self.pc.localDescription.sdp, **self.intentions())
        await self.pc.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        return answer

    def intentions(self) -> dict[str, Mapping[str, str]]:
        """What the sections are for."""
        transceivers = self.pc.getTransceivers()
        return {
            "publications": {
                t.mid: SOURCES[t.kind]
                for t in transceivers
                if t.sender.track is not None and t.direction.startswith("send")
            },
            "subscriptions": {t.mid: self.subscribed[t] for t in transceivers if t in self.subscribed},
        }

    async def close(self) -> None:
        """Close the peer connection, not the participant."""
        await self.pc.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _on_track(self, track: MediaStreamTrack) -> None:
        self._tasks.append(asyncio.create_task(self._consume(track)))

    async def _consume(self, track: MediaStreamTrack) -> None:
        try:
            while True:
                self.last_frame[track.kind] = await track.recv()
                self.frames[track.kind] += 1
        except MediaStreamError:
            pass


class MediaApp:
    """HTTP around one room of a media server, for `media_page.html`."""

    def __init__(self, server: MediaServer) -> None:
        self.room = server.create_room("test")
        self.listeners: dict[str, Listener] = {}
        self.url = ""

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[MediaApp]:
        """Serve on a free port of localhost."""
        app = web.Application()
        app.router.add_get("/", self._page)
        app.router.add_post("/negotiate", self._negotiate)
        app.router.add_post("/tracks", self._tracks)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "localhost", 0)
        await site.start()
        self.url = f"http://localhost:{runner.addresses[0][1]}"
        try:
            yield self
        finally:
            await runner.cleanup()

    def participant(self, name: str) -> Participant:
        """Made when first asked for."""
        if name not in self.room.participants:
            self.listeners[name] = Listener()
            return self.room.add_participant(name, self.listeners[name])
        return self.room.participants[name]

    async def _page(self, _: web.Request) -> web.Response:
        return web.Response(text=PAGE.read_text(), content_type="text/html")

    async def _negotiate(self, request: web.Request) -> web.Response:
        message = json.loads(await request.text())
        participant = self.participant(message["participant"])
        try:
            answer = await participant.negotiate(
                message["sdp"],
                publications={p["mid"]: p["source"] for p in message["publications"]},
                subscriptions={s["mid"]: s["trackId"] for s in message["subscriptions"]},
            )
        except MediaError as error:
            return web.json_response({"error": error.code})
        return web.json_response({"sdp": answer})

    async def _tracks(self, request: web.Request) -> web.Response:
        own = json.loads(await request.text())["participant"]
        tracks = [
            {"trackId": track.track_id, "kind": track.kind}
            for track in self.room.tracks.values()
            if track.participant_id != own
        ]
        return web.json_response({"tracks": tracks})
