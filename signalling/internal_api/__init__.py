"""The internal HTTP API, `/internal/v1`: what the ticketing backend creates, reads and controls rooms with.

`app.py` puts it together; `endpoint.py` says what an operation is; `rooms.py`, `recordings.py` and
`sessions.py` have them; `models/` is what goes over the wire.
"""

from signalling.internal_api.app import create_internal_app
from signalling.internal_api.live import LiveParticipant, LiveRooms, LiveTrack

__all__ = ["LiveParticipant", "LiveRooms", "LiveTrack", "create_internal_app"]
