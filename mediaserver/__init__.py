"""Sightline's media server: an SFU that forwards RTP between the participants of a room. See README.md.

`server.MediaServer` makes rooms, a `room.Room` has participants, a `participant.Participant` negotiates.
Nothing is imported here, so that the recorder's processes get the packet formats without the transport.
"""
