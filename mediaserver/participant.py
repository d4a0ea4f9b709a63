"""A participant as media sees it: at most one connection at a time, and what is published through it.

A client that makes a new RTCPeerConnection (recognised by its certificate) replaces the old one; the
participant stays. A negotiation never waits for anything, so two of them cannot mix.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import structlog

from mediaserver.clock import now_us
from mediaserver.connection import Connection, ConnectionIdentity, make_subscription
from mediaserver.context import ServerContext
from mediaserver.errors import ClosedError, ConnectionLostError, UnknownTrackError
from mediaserver.sdp import Offer, Subscription, negotiate, parse_offer
from mediaserver.sfu.interfaces import ConnectionState, ParticipantListener, PublishedTrack, TrackSource
from mediaserver.sfu.stats import SessionStats
from mediaserver.sfu.track import Track
from mediaserver.tasks import TaskOwner
from mediaserver.transport import RemoteParameters, TransportStats

if TYPE_CHECKING:
    from mediaserver.room import Room

log = structlog.get_logger()

T = TypeVar("T")

_REMEMBERED_CONNECTIONS = 4
"""Ended ones whose late offers are told from a beginning."""


@dataclass(frozen=True, slots=True)
class ParticipantStats:
    """Of the present connection; None where there is none."""

    state: ConnectionState
    transport: TransportStats | None
    rtp: SessionStats | None


class Participant:
    """Made by `Room.add_participant`."""

    def __init__(
        self, context: ServerContext, room: Room, participant_id: str, listener: ParticipantListener
    ) -> None:
        self.participant_id = participant_id
        self._context = context
        self._room = room
        self._listener = listener
        self._connection: Connection | None = None
        self._ended: deque[ConnectionIdentity] = deque(maxlen=_REMEMBERED_CONNECTIONS)
        self._state: ConnectionState = "new"
        self._tasks = TaskOwner(f"participant:{participant_id}")
        self._closed = False
        self._log = log.bind(room_id=room.room_id, participant_id=participant_id)

    @property
    def state(self) -> ConnectionState:
        """Of the present connection; `closed` when it ended and none has followed."""
        return self._state

    @property
    def tracks(self) -> Mapping[str, PublishedTrack]:
        """What this participant publishes, by track identifier; a copy."""
        tracks = self._connection.tracks if self._connection is not None else ()
        return {track.track_id: track for track in tracks}

    def stats(self) -> ParticipantStats:
        """A snapshot of state and counters."""
        connection = self._connection
        if connection is None:
            return ParticipantStats(self._state, None, None)
        return ParticipantStats(self._state, connection.transport_stats, connection.rtp.stats(now_us()))

    async def negotiate(
        self, offer: str, *, publications: Mapping[str, TrackSource], subscriptions: Mapping[str, str]
    ) -> str:
        """Answer an offer of the client. If it fails, nothing has changed.

        Args:
            offer: SDP, at most 64 KiB.
            publications: mid to what the client sends there.
            subscriptions: mid to the identifier of the track that it is to receive there.
        Returns:
            The answer, SDP.
        Raises:
            BadSdpError, NoCommonCodecError, UnknownTrackError: see there.
            ConnectionLostError: the connection of this offer was given up, make a new one.
            ClosedError: the participant was closed.
        """
        if self._closed:
            raise ClosedError(f"participant {self.participant_id} has left")
        return self._negotiate(parse_offer(offer), publications, subscriptions)

    async def aclose(self) -> None:
        """Leave: tracks end, the peer is told, and nothing of the participant remains. May be called
        again."""
        if not self._closed:
            self._closed = True
            connection = self._drop_connection()
            self._room.discard(self)
            self._set_state("closed")
            if connection is not None:
                await connection.aclose()
        await self._tasks.aclose()

    def forget(self, track_id: str) -> None:
        """Called by the room: a track of somebody ended."""
        if self._connection is not None:
            self._connection.forget(track_id)

    def _negotiate(
        self, offer: Offer, publications: Mapping[str, TrackSource], subscriptions: Mapping[str, str]
    ) -> str:
        connection = self._continued(offer)
        wanted = self._subscriptions(connection, subscriptions)
        negotiation = negotiate(
            offer,
            publications=publications,
            subscriptions=wanted,
            video_preference=self._context.settings.video_codecs,
        )
        if connection is None:
            connection = self._replace_connection(offer, negotiation.remote)
        added, ended = connection.apply(negotiation, self._room.track_table)
        self._withdraw(ended)
        for track in added:
            self._announce(track)
        return connection.answer(negotiation)

    def _continued(self, offer: Offer) -> Connection | None:
        """The connection that `offer` goes on with, None if it begins a new one."""
        connection = self._connection
        if connection is not None and connection.identity.matches(offer):
            return connection
        if any(ended.matches(offer) for ended in self._ended):
            raise ConnectionLostError("the server has given up this connection, make a new one")
        return None

    def _subscriptions(
        self, connection: Connection | None, wanted: Mapping[str, str]
    ) -> dict[str, Subscription]:
        subscriptions: dict[str, Subscription] = {}
        taken: set[int] = set()
        # A new connection ends what the old one published.
        ending = self.tracks if connection is None else {}
        for mid, track_id in wanted.items():
            track = self._room.track_table.get(track_id)
            if track is None or track_id in ending:
                raise UnknownTrackError(f"there is no track {track_id[:64]!r}")
            subscription = (
                make_subscription(track, taken) if connection is None else connection.subscription(mid, track)
            )
            subscriptions[mid] = subscription
            taken |= {subscription.ssrc, subscription.rtx_ssrc}
        return subscriptions

    def _replace_connection(self, offer: Offer, remote: RemoteParameters) -> Connection:
        old = self._drop_connection()
        if old is not None:
            self._log.info("connection_replaced")
            self._tasks.start(old.aclose(), name="close_replaced")
        connection = Connection(self._context, self.participant_id, offer, remote, self._connection_state)
        self._connection = connection
        connection.start()
        return connection

    def _drop_connection(self) -> Connection | None:
        """End what the present connection carries; the caller sees to its `aclose`."""
        connection, self._connection = self._connection, None
        if connection is not None:
            tracks = connection.tracks
            connection.close()
            self._ended.append(connection.identity)
            self._withdraw(tracks)
        return connection

    def _connection_state(self, connection: Connection, state: ConnectionState) -> None:
        if connection is not self._connection:
            return
        if state == "closed":
            self._drop_connection()
            self._tasks.start(connection.aclose(), name="close_ended")
        self._set_state(state)

    def _announce(self, track: Track) -> None:
        self._room.add_track(track)
        self._log.info(
            "track_published",
            track_id=track.track_id,
            kind=track.kind,
            source=track.source,
            codec=track.codec.name,
        )
        self._tell(self._listener.on_track_published, track)

    def _withdraw(self, tracks: Iterable[Track]) -> None:
        for track in tracks:
            self._room.remove_track(track)
            self._log.info("track_unpublished", track_id=track.track_id)
            self._tell(self._listener.on_track_unpublished, track)

    def _set_state(self, state: ConnectionState) -> None:
        if state != self._state:
            self._state = state
            self._log.info("connection_state", state=state)
            self._tell(self._listener.on_connection_state, state)

    def _tell(self, callback: Callable[[T], None], argument: T) -> None:
        """The listener is not part of the media path: if it fails, media goes on."""
        try:
            callback(argument)
        except Exception:
            self._log.exception("listener_failed")
