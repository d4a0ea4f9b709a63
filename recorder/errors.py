"""Every error of the recorder that more than one module raises or handles.

    RecorderError
    ├── DiskLowError             refused to start: too little space; nothing was created
    ├── RecordingExistsError     the recording's directory is already there
    ├── MjrError                 a file is not an RTP dump
    ├── JournalError             a journal is damaged before its end
    └── RecordingUnreadableError a directory holds no recording that can be assembled

A module's own errors derive from `RecorderError` too and stand beside what raises them. `code` is stable;
the message is English for people and may change.
"""

from __future__ import annotations

from typing import ClassVar


class RecorderError(Exception):
    """Base of everything this package raises on purpose."""

    code: ClassVar[str] = "recorder_error"


class DiskLowError(RecorderError):
    code = "disk_low"


class RecordingExistsError(RecorderError):
    code = "recording_exists"


class MjrError(RecorderError):
    code = "mjr_invalid"


class JournalError(RecorderError):
    code = "journal_invalid"


class RecordingUnreadableError(RecorderError):
    code = "recording_unreadable"
