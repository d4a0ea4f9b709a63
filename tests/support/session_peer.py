"""Somebody in a session, without a browser: the wire protocol on python-socketio, media on aiortc."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import socketio
from aiortc import RTCBundlePolicy, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack, MediaStreamError, MediaStreamTrack, VideoStreamTrack

SOURCES = {"audio": "microphone", "video": "camera"}
CONSENT = {"accepted": True, "version": "test-1"}


class RefusedError(Exception):
    """An event was answered with an error."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


class SessionPeer:
    """One connection. Remembers every event of the server, in order."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.events: list[tuple[str, Any]] = []
        self.joined: dict[str, Any] = {}
        self.frames = {"audio": 0, "video": 0}
        self._socket = socketio.AsyncClient(reconnection=False)
        self._socket.on("*", handler=self._on_event)
        self._arrived = asyncio.Event()
        self._pc: RTCPeerConnection | None = None
        self._subscribed: dict[Any, str] = {}
        self._consumers: list[asyncio.Task[None]] = []

    @property
    def connected(self) -> bool:
        return bool(self._socket.connected)

    async def connect(self, transport: str = "websocket") -> None:
        await self._socket.connect(self.url, transports=[transport])

    async def call(self, event: str, payload: Any = None) -> Any:
        """Raises RefusedError; TimeoutError where the server closed instead of answering."""
        answer = await self._socket.call(event, {} if payload is None else payload, timeout=10)
        if "error" in answer:
            raise RefusedError(**answer["error"])
        return answer

    async def join(self, credentials: dict[str, Any], **more: Any) -> dict[str, Any]:
        """`credentials` as of `requester` or `agent`."""
        self.joined = await self.call("join", credentials | more)
        return self.joined

    async def drop(self) -> None:
        """Lose the connection without a word; the server sees the TCP connection end."""
        self._socket.eio.ws._response.connection.transport.abort()
        await self.until(lambda: not self.connected)

    async def aclose(self) -> None:
        if self._socket.connected:
            await self._socket.disconnect()
        await self.hang_up()

    # --- events -------------------------------------------------------------------------------------------

    def named(self, event: str) -> list[Any]:
        """Payloads of all events of this name, so far."""
        return [payload for name, payload in self.events if name == event]

    async def event(
        self, name: str, matches: Callable[[Any], bool] = lambda _: True, timeout_s: float = 5.0
    ) -> Any:
        """The first event of this name that matches, past or coming."""
        found: list[Any] = []

        def arrived() -> bool:
            found[:] = [payload for payload in self.named(name) if matches(payload)]
            return bool(found)

        await self.until(arrived, timeout_s, f"{name}; there were {[event for event, _ in self.events]}")
        return found[0]

    async def until(
        self, condition: Callable[[], bool], timeout_s: float = 5.0, what: str = "condition"
    ) -> None:
        try:
            async with asyncio.timeout(timeout_s):
                while not condition():
                    self._arrived.clear()
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._arrived.wait(), 0.02)
        except TimeoutError:
            raise AssertionError(f"not within {timeout_s} s: {what}") from None

    def _on_event(self, name: str, payload: Any = None) -> None:
        self.events.append((name, payload))
        self._arrived.set()

    # --- media --------------------------------------------------------------------------------------------

    async def publish(self, *tracks: MediaStreamTrack) -> None:
        """Begin a peer connection that sends; by default synthetic sound and picture."""
        await self.hang_up()
        self._pc = RTCPeerConnection(RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE))
        self._pc.on("track", self._on_track)
        for track in tracks or (AudioStreamTrack(), VideoStreamTrack()):
            self._pc.addTransceiver(track, direction="sendonly")
        await self.negotiate()

    async def subscribe(self, *tracks: dict[str, Any]) -> None:
        """Add a receiving section for each track, as it was announced."""
        assert self._pc is not None
        for track in tracks:
            self._subscribed[self._pc.addTransceiver(track["kind"], direction="recvonly")] = track["trackId"]
        await self.negotiate()

    async def negotiate(self) -> None:
        pc = self._pc
        assert pc is not None
        gone = {track["trackId"] for track in self.named("track-unpublished")}
        await pc.setLocalDescription(await pc.createOffer())
        transceivers = pc.getTransceivers()
        answer = await self.call(
            "negotiate",
            {
                "sdp": pc.localDescription.sdp,
                "publications": [
                    {"mid": t.mid, "source": SOURCES[t.kind]}
                    for t in transceivers
                    if t.sender.track is not None and t.direction.startswith("send")
                ],
                "subscriptions": [
                    {"mid": t.mid, "trackId": self._subscribed[t]}
                    for t in transceivers
                    if self._subscribed.get(t, None) not in {None, *gone}
                ],
            },
        )
        await pc.setRemoteDescription(RTCSessionDescription(answer["sdp"], "answer"))

    async def hang_up(self) -> None:
        """End media, not the seat."""
        if self._pc is not None:
            await self._pc.close()
        for task in self._consumers:
            task.cancel()
        await asyncio.gather(*self._consumers, return_exceptions=True)
        self._pc, self._subscribed, self._consumers = None, {}, []

    def _on_track(self, track: MediaStreamTrack) -> None:
        self._consumers.append(asyncio.create_task(self._consume(track)))

    async def _consume(self, track: MediaStreamTrack) -> None:
        with contextlib.suppress(MediaStreamError):
            while True:
                await track.recv()
                self.frames[track.kind] += 1


def requester(room: dict[str, Any]) -> dict[str, Any]:
    """What the requester's link says."""
    query = parse_qs(urlsplit(room["requestor_url"]).query)
    return {"convId": query["convId"][0], "pwd": query["pwd"][0]}


def agent(room: dict[str, Any]) -> dict[str, Any]:
    """What the agent's link says."""
    query = parse_qs(urlsplit(room["agent_url"]).query)
    return {"convId": query["convId"][0], "token": query["token"][0]}


@contextlib.asynccontextmanager
async def peer(url: str, *, transport: str = "websocket") -> AsyncIterator[SessionPeer]:
    """A connected peer that has not joined."""
    someone = SessionPeer(url)
    await someone.connect(transport)
    try:
        yield someone
    finally:
        await someone.aclose()


@contextlib.asynccontextmanager
async def call_of_two(url: str, room: dict[str, Any]) -> AsyncIterator[tuple[SessionPeer, SessionPeer]]:
    """Requester and agent, who see and hear each other."""
    async with peer(url) as customer, peer(url) as helper:
        await customer.join(requester(room), consent=CONSENT, name="Customer")
        await customer.publish()
        await helper.join(agent(room), name="Helper")
        await helper.publish()
        for one, other in ((customer, helper), (helper, customer)):
            await subscribe_to(one, other)
        for someone in (customer, helper):
            await someone.until(
                lambda someone=someone: min(someone.frames.values()) >= 5,  # type: ignore[misc]
                15,
                f"media, {someone.frames}",
            )
        yield customer, helper


async def subscribe_to(one: SessionPeer, other: SessionPeer) -> None:
    """`one` receives both tracks that `other` publishes."""
    their_id = other.joined["participantId"]
    known = [t for p in one.joined["participants"] if p["participantId"] == their_id for t in p["tracks"]]

    def announced() -> list[dict[str, Any]]:
        tracks = {t["trackId"]: t for t in (*known, *one.named("track-published"))}
        for gone in one.named("track-unpublished"):
            tracks.pop(gone["trackId"], None)
        return [track for track in tracks.values() if track["participantId"] == their_id]

    await one.until(lambda: len(announced()) == 2, what="two tracks announced")
    await one.subscribe(*announced())
