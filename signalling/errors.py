"""Every error of the signalling package, in one tree.

    SignallingError
    ├── OperatorError            the installation is wrong: told to the operator, the process ends
    │   ├── SettingsError
    │   ├── SecretsError
    │   ├── DataDirectoryError
    │   ├── StoreUnavailableError
    │   └── PortUnavailableError
    ├── RequestError             the caller's fault: told to the caller, nothing has changed
    │   ├── access               AccessDenied, Locked, RoomExpired, RoomEnded, RoomFull, AgentPresent, ...
    │   ├── protocol             NotJoined, AlreadyJoined, Forbidden, InvalidMessage, UnknownEvent, ...
    │   ├── resources            RoomNotFound, ParticipantNotFound, RecordingNotFound, UnknownTrack, ...
    │   ├── media                NoPicture, AlreadyRecording, NotRecording, RecordingOff, StorageFull
    │   └── conflicts            VersionMismatch, IdempotencyKeyReused, TimesConflict
    └── InternalError            our fault: the caller learns a request id, the log has the rest

`code` is stable and part of the wire protocol (`signalling/README.md`) and of the internal API's problem
documents; `message` is English for people and may change. Errors are converted to either form once, at the
boundary.
"""

from __future__ import annotations

from typing import ClassVar


class SignallingError(Exception):
    """Base of everything this package raises on purpose."""

    code: ClassVar[str] = "internal"
    default_message: ClassVar[str] = "Something went wrong on the server."

    def __init__(self, message: str | None = None) -> None:
        self.message = message if message is not None else self.default_message
        super().__init__(self.message)


class OperatorError(SignallingError):
    """The installation cannot work as it is; `message` says what to do."""


class SettingsError(OperatorError):
    code = "settings_invalid"
    default_message = "The configuration is not valid."


class SecretsError(OperatorError):
    code = "secrets_unusable"
    default_message = "A generated secret cannot be read or written."


class DataDirectoryError(OperatorError):
    code = "data_directory_unusable"
    default_message = "The data directory cannot be used."


class StoreUnavailableError(OperatorError):
    code = "store_unavailable"
    default_message = "The database cannot be opened."


class PortUnavailableError(OperatorError):
    code = "port_unavailable"
    default_message = "A port cannot be opened."


class InternalError(SignallingError):
    """An unexpected failure, as it is shown to a caller: never with details."""


class RequestError(SignallingError):
    """The request cannot be granted; nothing was changed."""


class AccessDeniedError(RequestError):
    """One answer for an unknown room, a wrong password and a wrong or used token."""

    code = "access_denied"
    default_message = "This link is not valid."


class LockedError(RequestError):
    code = "locked"
    default_message = "Too many wrong passwords. Try again in 15 minutes."


class RoomExpiredError(RequestError):
    code = "room_expired"
    default_message = "The time of this session is over."


class RoomEndedError(RequestError):
    code = "room_ended"
    default_message = "This session has ended."


class RoomFullError(RequestError):
    code = "room_full"
    default_message = "Every seat in this session is taken."


class AgentPresentError(RequestError):
    code = "agent_present"
    default_message = "Another agent is already in this session."


class ConsentRequiredError(RequestError):
    code = "consent_required"
    default_message = "The terms have to be accepted first."


class PositionRequiredError(RequestError):
    code = "position_required"
    default_message = "This session needs the position of the device."


class NotJoinedError(RequestError):
    code = "not_joined"
    default_message = "Join the session first."


class AlreadyJoinedError(RequestError):
    code = "already_joined"
    default_message = "This connection has already joined."


class ForbiddenError(RequestError):
    code = "forbidden"
    default_message = "This action belongs to another role."


class InvalidMessageError(RequestError):
    code = "invalid_message"
    default_message = "The message does not fit its schema."


class UnknownEventError(RequestError):
    code = "unknown_event"
    default_message = "There is no such event."


class RateLimitedError(RequestError):
    code = "rate_limited"
    default_message = "Too many messages."


class RoomNotFoundError(RequestError):
    code = "room_not_found"
    default_message = "There is no such room."


class ParticipantNotFoundError(RequestError):
    code = "participant_not_found"
    default_message = "There is no such participant in this room."


class RecordingNotFoundError(RequestError):
    code = "recording_not_found"
    default_message = "There is no such recording in this room."


class UnknownTrackError(RequestError):
    code = "unknown_track"
    default_message = "There is no such track."


class NoPictureError(RequestError):
    code = "no_picture"
    default_message = "There is nothing to take a photo of."


class AlreadyRecordingError(RequestError):
    code = "already_recording"
    default_message = "This session is already being recorded."


class NotRecordingError(RequestError):
    code = "not_recording"
    default_message = "This session is not being recorded."


class RecordingOffError(RequestError):
    code = "recording_off"
    default_message = "Recording is switched off for this room."


class StorageFullError(RequestError):
    code = "storage_full"
    default_message = "There is too little space left to record."


class VersionMismatchError(RequestError):
    code = "version_mismatch"
    default_message = "The room has changed since it was read."


class IdempotencyKeyReusedError(RequestError):
    code = "idempotency_key_reused"
    default_message = "This Idempotency-Key was used for a different request."


class TimesConflictError(RequestError):
    code = "times_conflict"
    default_message = "end_time must be later than start_time and than now."
