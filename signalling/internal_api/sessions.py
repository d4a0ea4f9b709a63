"""Who is in a room, and what happened in it."""

from __future__ import annotations

from signalling.internal_api import present
from signalling.internal_api.endpoint import AnyEndpoint, Call, Endpoint, Reply
from signalling.internal_api.models import sessions as models
from signalling.internal_api.models.fields import Nothing


async def list_participants(call: Call[Nothing, Nothing]) -> Reply:
    async with call.api.store.read() as tx:
        room = await call.room(tx)
        seats = {seat.participant_id: seat for seat in await tx.seats.held(room.id)}
    live = call.api.live.participants(room.conv_id)
    data = [present.participant(someone, seats.get(someone.participant_id)) for someone in live]
    return Reply(models.ParticipantList(total=len(data), data=data))


async def list_events(call: Call[models.ListEvents, Nothing]) -> Reply:
    async with call.api.store.read() as tx:
        room = await call.room(tx)
        events = await tx.events.after(room.id, call.query.after, call.query.limit)
    return Reply(
        models.EventList(
            data=[present.event(event, room) for event in events],
            last_seq=events[-1].seq if events else call.query.after,
        )
    )


ENDPOINTS: tuple[AnyEndpoint, ...] = (
    Endpoint(
        method="GET",
        path="/rooms/{convId}/participants",
        tag="sessions",
        summary="List who is in a room now",
        function=list_participants,
        query=Nothing,
        body=Nothing,
        answer=models.ParticipantList,
    ),
    Endpoint(
        method="GET",
        path="/rooms/{convId}/events",
        tag="sessions",
        summary="Read a room's event log",
        description="In order. Ask again with `after` set to `last_seq` for what has happened since.",
        function=list_events,
        query=models.ListEvents,
        body=Nothing,
        answer=models.EventList,
    ),
)
