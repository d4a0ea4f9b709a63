"""One open room: who is in it, what they exchange, and when it ends.

A room is made from its record in the store when the server starts or when the ticketing backend creates it,
and lives until it is closed. Whatever changes who sits where, or whether the room is open, runs under one
lock; what media reports arrives as synchronous callbacks, which only change memory and queue messages.

States: `scheduled → invited → ongoing → done`, or `expired` (nobody came by the end), `cancelled` (closed
before anybody came).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import structlog

from mediaserver.errors import ClosedError
from mediaserver.participant import Participant as MediaParticipant
from mediaserver.room import Room as MediaRoom
from mediaserver.sfu.interfaces import ConnectionState, PublishedTrack
from signalling.errors import (
    AccessDeniedError,
    NotJoinedError,
    RequestError,
    RoomEndedError,
    RoomExpiredError,
    UnknownTrackError,
)
from signalling.ids import new_participant_id
from signalling.realtime.protocol import EndReason, LeaveReason, Negotiate, Role
from signalling.rooms.context import RoomContext
from signalling.rooms.devices import parse_user_agent
from signalling.rooms.ledger import RoomLedger
from signalling.rooms.participant import Peer, RoomParticipant
from signalling.rooms.people import People
from signalling.rooms.products import Products
from signalling.rooms.recording import Owner
from signalling.rooms.schedule import End, Schedule, Warn
from signalling.rooms.seats import Seat, SeatTable
from signalling.rooms.shapes import iso, room_info
from signalling.store.records import Media, NewSeat, Position, Room, RoomState
from signalling.store.records import Seat as StoredSeat

log = structlog.get_logger()

RECHECK_S = 60.0
"""Longest time between two looks at the wall clock, which may be set while a room waits."""
RETRY_S = 5.0
"""Time until what is due is tried again, where it failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entrance:
    """Somebody at the door, whose credentials were found good."""

    role: Role
    participant_id: str | None = None
    """Of the seat that a resume token names."""
    token_id: str | None = None
    name: str | None = None
    consent_version: str | None = None
    geolocation: str | None = None
    user_agent: str = ""


class LiveRoom:
    """A room that is not over."""

    def __init__(
        self,
        context: RoomContext,
        record: Room,
        *,
        on_over: Callable[[LiveRoom], None],
        held: Iterable[StoredSeat] = (),
        medias: Iterable[Media] = (),
    ) -> None:
        """Args:
        held: seats that were taken when the server stopped; their people have the usual time to return.
        medias: what the room's list holds already.
        """
        self._ledger = RoomLedger(context.store, record)
        self.people = People()
        self.products = Products(context, lambda: self.record, self.people, medias)
        self._context = context
        self._on_over = on_over
        self._log = log.bind(room_id=record.id)
        self._lock = asyncio.Lock()
        self._seats = SeatTable(max_participants=record.max_participants, hold_s=context.seat_hold_s)
        self._schedule = Schedule(record.end_time)
        self._media_room: MediaRoom | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._end_reason: EndReason | None = None
        for stored in held:
            seat = Seat(stored.participant_id, stored.role, stored.token_id, away_since_s=context.monotonic())
            self._add(seat, stored)
        self._set_timer()

    @property
    def record(self) -> Room:
        """The room as the store has it."""
        return self._ledger.record

    # --- who is here --------------------------------------------------------------------------------------

    def require_open(self) -> None:
        """Raises RoomExpiredError or RoomEndedError."""
        if self._end_reason in ("expired", "end_time"):
            raise RoomExpiredError
        if self._end_reason is not None:
            raise RoomEndedError

    def bound_to(self, token_id: str) -> bool:
        """True if a seat is held that this agent token opened."""
        return any(seat.token_id == token_id for seat in self._seats)

    async def join(self, entrance: Entrance, peer: Peer) -> tuple[RoomParticipant, dict[str, Any]]:
        """Take a seat, or come back to one; whoever was connected on it is told and closed.

        Returns:
            The participant, and the result that the client is to get before any event of the room.
        Raises:
            RoomExpiredError, RoomEndedError, RoomFullError, AgentPresentError
            AccessDeniedError: the seat to resume is not held any more.
        """
        async with self._lock:
            self.require_open()
            participant = self._seat_for(entrance)
            if participant is None:
                participant = await self._take_seat(entrance)
                event = "participant-joined"
            else:
                await self._return_to_seat(participant, entrance)
                event = "participant-changed"
            self._connect(participant, peer)
        self._schedule.repeat()
        self._set_timer()
        self.people.tell_others(participant, event, participant.info().wire())
        self._log.info(
            "participant_connected",
            participant_id=participant.participant_id,
            role=participant.seat.role,
            new=event == "participant-joined",
        )
        if self.record.record == "auto" and self.products.recording is None and len(self.people) > 1:
            self._context.tasks.start(self._record_automatically(), name="automatic recording")
        return participant, self._welcome(participant)

    async def leave(self, participant: RoomParticipant) -> None:
        async with self._lock:
            await self._free(participant, "left")

    def connection_lost(self, participant: RoomParticipant, peer: Peer) -> None:
        """`peer` is gone; the seat is held, unless another connection serves it already."""
        if participant.peer is peer:
            participant.peer = None
            participant.seat.away_since_s = self._context.monotonic()
            self.people.tell_others(participant, "participant-changed", participant.info().wire())
            self._set_timer()

    def _seat_for(self, entrance: Entrance) -> RoomParticipant | None:
        if entrance.participant_id is not None:
            participant = self.people.get(entrance.participant_id)
            if participant is None:
                raise AccessDeniedError
            return participant
        seat = self._seats.admit(entrance.role, entrance.token_id)
        return None if seat is None else self.people.get(seat.participant_id)

    async def _take_seat(self, entrance: Entrance) -> RoomParticipant:
        device = parse_user_agent(entrance.user_agent)
        token_id = entrance.token_id
        if token_id is not None and await self._ledger.token_is_used(token_id):
            token_id = None  # in the store, a token belongs to the first seat that it opened
        stored = await self._ledger.seat_taken(
            NewSeat(
                participant_id=new_participant_id(),
                room_id=self.record.id,
                role=entrance.role,
                name=entrance.name or self.expected_name(entrance.role) or "",
                token_id=token_id,
                consent_version=entrance.consent_version,
                geolocation=entrance.geolocation,
                device=device.device,
                os=device.os,
                browser=device.browser,
            )
        )
        participant = self._add(Seat(stored.participant_id, entrance.role, entrance.token_id), stored)
        self.products.joined(participant)
        return participant

    async def _return_to_seat(self, participant: RoomParticipant, entrance: Entrance) -> None:
        if entrance.name and entrance.name != participant.name:
            await self._ledger.renamed(participant.seat_id, entrance.name)
            participant.name = entrance.name
        if entrance.token_id is not None:
            participant.seat.token_id = entrance.token_id

    def _add(self, seat: Seat, stored: StoredSeat) -> RoomParticipant:
        participant = RoomParticipant(
            seat=seat,
            seat_id=stored.id,
            name=stored.name,
            joined=stored.joined,
            listener=self,
            in_call_s=stored.in_call_s,
            stored_in_call_s=stored.in_call_s,
        )
        self._seats.add(seat)
        self.people.add(participant)
        return participant

    def _connect(self, participant: RoomParticipant, peer: Peer) -> None:
        former, participant.peer = participant.peer, peer
        participant.seat.away_since_s = None
        participant.seat.lost = False
        if former is not None:
            former.send("replaced", {})
            former.close()

    def _welcome(self, participant: RoomParticipant) -> dict[str, Any]:
        recording = self.products.recording
        return {
            "participantId": participant.participant_id,
            "role": participant.seat.role,
            "resumeToken": self._context.resume_tokens.mint(self.record.conv_id, participant.participant_id),
            "room": room_info(self.record).wire(),
            "participants": [person.info().wire() for person in self.people],
            "recording": None if recording is None else recording.wire(),
            "medias": self.products.medias,
            "iceServers": [],
            "now": iso(self._context.wall_clock()),
        }

    def expected_name(self, role: Role) -> str | None:
        """Of who is to take such a seat, as the ticketing backend knows them."""
        return {"requester": self.record.requestor.name, "agent": self.record.agent}.get(role)

    async def _free(self, participant: RoomParticipant, reason: LeaveReason) -> None:
        """Give the seat up. Called with the lock held."""
        if not self.people.remove(participant):
            return
        self._seats.remove(participant.participant_id)
        participant.peer = None
        if participant.media is not None:
            await participant.media.aclose()
        payload = {"participantId": participant.participant_id, "reason": reason}
        self.people.tell_all("participant-left", payload)
        await self._ledger.left(participant, reason, self._context.monotonic())
        await self.products.left(participant, reason)
        self._log.info("participant_left", participant_id=participant.participant_id, reason=reason)

    # --- what they exchange -------------------------------------------------------------------------------

    async def negotiate(self, participant: RoomParticipant, message: Negotiate) -> str:
        """Answer an offer.

        Raises:
            NegotiationError: see `MediaParticipant.negotiate`.
            NotJoinedError: the participant left, or the room ended, meanwhile.
        """
        self.require_open()
        try:
            return await self._media_of(participant).negotiate(
                message.sdp,
                publications={publication.mid: publication.source for publication in message.publications},
                subscriptions={
                    subscription.mid: subscription.track_id for subscription in message.subscriptions
                },
            )
        except ClosedError:
            raise NotJoinedError from None

    def _media_of(self, participant: RoomParticipant) -> MediaParticipant:
        if self._media_room is None:
            self._media_room = self._context.media_server.create_room(self.record.conv_id)
        if participant.media is None:
            participant.media = self._media_room.add_participant(participant.participant_id, participant)
        return participant.media

    def mute(self, participant: RoomParticipant, track_id: str, *, muted: bool) -> None:
        """Raises UnknownTrackError: not a track of this participant."""
        if track_id not in participant.tracks:
            raise UnknownTrackError
        if participant.set_muted(track_id, muted):
            self.products.track_muted(track_id, muted=muted)
            payload = {"trackId": track_id, "participantId": participant.participant_id, "muted": muted}
            self.people.tell_others(participant, "track-muted", payload)

    async def set_position(self, position: Position) -> None:
        """Keep where the requester is: the room's `geoloc`, and what photos and composites say."""
        self.require_open()
        await self._ledger.moved(position)
        await self.products.moved(position)

    async def _record_automatically(self) -> None:
        try:
            await self.products.start_recording(Owner(None))
        except RequestError as error:
            self._log.warning("automatic_recording_refused", code=error.code)

    # TrackListener

    def on_track_published(self, participant: RoomParticipant, track: PublishedTrack) -> None:
        self.products.track_published(participant, track)
        # The publisher too: that is how it learns the trackId that `mute` takes.
        self.people.tell_all("track-published", participant.track_info(track).wire())

    def on_track_unpublished(self, participant: RoomParticipant, track: PublishedTrack) -> None:
        self.products.track_unpublished(track)
        payload = {"trackId": track.track_id, "participantId": participant.participant_id}
        self.people.tell_all("track-unpublished", payload)

    def on_connection_state(self, participant: RoomParticipant, state: ConnectionState) -> None:
        before = participant.connection
        participant.set_media_state(state, self._context.monotonic())
        if participant.connection != before:
            self.people.tell_others(participant, "participant-changed", participant.info().wire())

    # --- time and the end ---------------------------------------------------------------------------------

    def changed(self, record: Room) -> None:
        """The ticketing backend changed the room."""
        self._ledger.replace(record)
        self._schedule.move(self.record.end_time)
        self._set_timer()

    async def check_deadlines(self) -> None:
        """Do what is due: open the room, warn, end it, free seats that nobody came back to."""
        async with self._lock:
            if self._end_reason is None:
                try:
                    await self._do_what_is_due()
                except Exception:
                    self._log.exception("deadline_failed")
                    self._set_timer(at_least_s=RETRY_S)
                else:
                    self._set_timer()

    async def _do_what_is_due(self) -> None:
        now = self._context.wall_clock()
        if self.record.state == "scheduled" and now >= self.record.start_time:
            await self._ledger.opened()
        await self._ledger.spent(self.people, self._context.monotonic())
        due = self._schedule.due(now)
        if isinstance(due, End):
            await self._close("end_time" if self.record.state == "ongoing" else "expired")
            return
        if isinstance(due, Warn):
            payload = {"endsAt": iso(self.record.end_time), "secondsLeft": due.seconds_left}
            self.people.tell_all("room-ending", payload)
        for seat in self._seats.expired(self._context.monotonic()):
            participant = self.people.get(seat.participant_id)
            if participant is not None:
                await self._free(participant, "timeout")

    async def close(self, reason: EndReason, stored_reason: str | None = None) -> None:
        """End the session for everybody. Harmless if it is over.

        Args:
            stored_reason: what the room's record says, if the ticketing backend gave a reason.
        """
        async with self._lock:
            if self._end_reason is None:
                await self._close(reason, stored_reason)

    async def _close(self, reason: EndReason, stored_reason: str | None = None) -> None:
        state: RoomState = "done" if self.record.state == "ongoing" else "cancelled"
        if reason == "expired":
            state = "expired"
        now_s = self._context.monotonic()
        with contextlib.suppress(RoomEndedError):  # somebody closed it in the store: then it is over here too
            await self._ledger.closed(state, stored_reason or reason, self.people, now_s)
        self._end_reason = reason
        self._log.info("room_closed", state=state, reason=reason)
        try:
            for participant in self.people:
                participant.send("ended", {"reason": reason})
                if participant.peer is not None:
                    participant.peer.close()
            await self.products.end(reason)
            if self._media_room is not None:
                await self._media_room.aclose()
        finally:
            self._set_timer()
            self._on_over(self)

    async def aclose(self) -> None:
        """The server stops: capture ends; seats and the room's state stay for the next start."""
        async with self._lock:
            await self._ledger.spent(self.people, self._context.monotonic())
            if self._timer is not None:
                self._timer.cancel()
            await self.products.end("server_shutdown")
            if self._media_room is not None:
                await self._media_room.aclose()

    def _set_timer(self, at_least_s: float = 0.0) -> None:
        """Look again when the next thing is due, if the room is not over."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._end_reason is not None:
            return
        now = self._context.wall_clock()
        waits = [RECHECK_S, (self._schedule.next_at(now) - now).total_seconds()]
        if self.record.state == "scheduled":
            waits.append((self.record.start_time - now).total_seconds())
        expiry_s = self._seats.next_expiry_s()
        if expiry_s is not None:
            waits.append(expiry_s - self._context.monotonic())
        self._timer = asyncio.get_running_loop().call_later(max(at_least_s, min(waits)), self._on_timer)

    def _on_timer(self) -> None:
        self._context.tasks.start(self.check_deadlines(), name=f"deadlines of room {self.record.id}")
