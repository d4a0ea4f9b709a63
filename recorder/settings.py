"""What an operator can set about recordings."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, model_validator

_MIB = 1 << 20


class RecorderSettings(BaseModel):
    """Defaults suit one machine with a local disk."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    directory: Path = Field(
        default=Path("data/recordings"),
        description="Where recordings are captured and their products kept. Created with mode 0700.",
    )
    photos_directory: Path | None = Field(
        default=None,
        description="Where photos are kept (default: `photos` beside the recordings), mode 0700.",
    )
    max_jobs: int = Field(
        default=1,
        ge=1,
        le=16,
        description="Recordings that are rendered at the same time, each in a process of its own that runs "
        "when nothing else wants the processor (default 1).",
    )
    min_free_bytes: int = Field(
        default=1024 * _MIB,
        ge=0,
        description="Free space in bytes below which no recording is started (default 1 GiB).",
    )
    stop_free_bytes: int = Field(
        default=256 * _MIB,
        ge=0,
        description="Free space in bytes below which running recordings are stopped, so that what was "
        "captured can still be closed properly (default 256 MiB).",
    )
    flush_interval_s: float = Field(
        default=0.15,
        ge=0.02,
        le=0.4,
        description="Seconds between two writes of what was captured; a crash loses this much.",
    )
    sync_interval_s: float = Field(
        default=1.0,
        ge=0.1,
        le=60,
        description="Seconds between two fdatasync; a loss of power loses this much.",
    )
    max_pending_bytes: int = Field(
        default=64 * _MIB,
        ge=_MIB,
        description="Bytes of all recordings together that may wait for a slow disk (default 64 MiB); "
        "packets beyond that are dropped, counted and noted in the journal.",
    )
    max_file_bytes: int = Field(
        default=1024 * _MIB,
        ge=_MIB,
        description="Size in bytes at which capture goes on in a new file (default 1 GiB).",
    )
    max_files_per_track: int = Field(
        default=256,
        ge=1,
        le=999,
        description="Files one track may have; a sender that changes its SSRC more often is cut off.",
    )

    @model_validator(mode="after")
    def _starts_above_stop(self) -> RecorderSettings:
        if self.stop_free_bytes > self.min_free_bytes:
            raise ValueError("stop_free_bytes must not exceed min_free_bytes")
        return self
