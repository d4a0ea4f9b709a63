"""What an operator can set about the media server. Validated once, passed down, never global."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, IPvAnyAddress, field_validator, model_validator

VideoCodecName = Literal["VP8", "H264"]


class MediaSettings(BaseModel):
    """Settings of one media server process."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: IPvAnyAddress = Field(
        default="::",
        validate_default=True,
        description="Address to listen on. `::` means every address, IPv4 and IPv6.",
    )
    port: int = Field(
        default=8082, ge=0, le=65535, description="The one UDP port for all media. 0 lets the system choose."
    )
    announced_addresses: tuple[IPvAnyAddress, ...] = Field(
        default=(),
        max_length=16,
        description="Addresses that clients are told to send to, best first: the public ones when the "
        "server stands behind a NAT. Empty: the addresses of this machine and the loopback address.",
    )
    video_codecs: tuple[VideoCodecName, ...] = Field(
        default=("VP8", "H264"),
        min_length=1,
        description="Video codecs that clients may publish with, preferred first.",
    )
    connect_timeout_s: float = Field(
        default=30.0, gt=0, le=120, description="Seconds from the offer until ICE and DTLS must be done."
    )
    interrupted_after_s: float = Field(
        default=3.0,
        gt=0,
        le=60,
        description="Seconds of silence after which a participant that was sending counts as interrupted.",
    )
    idle_interrupted_after_s: float = Field(
        default=8.0,
        gt=0,
        le=60,
        description="The same for a participant that sends no media: longer than the consent interval "
        "of its browser, which is all that is heard from it.",
    )
    closed_after_s: float = Field(
        default=30.0, gt=0, le=600, description="Seconds of silence after which the connection is given up."
    )
    socket_buffer_bytes: int = Field(
        default=4 << 20,
        ge=1 << 16,
        le=1 << 30,
        description="Receive and send buffer asked of the kernel, which may grant less.",
    )
    manage_gc: bool = Field(
        default=True,
        description="Keep the cyclic garbage collector off the packet path (affects the whole process).",
    )

    @field_validator("video_codecs")
    @classmethod
    def _unique(cls, codecs: tuple[VideoCodecName, ...]) -> tuple[VideoCodecName, ...]:
        if len(set(codecs)) != len(codecs):
            raise ValueError("a codec is named twice")
        return codecs

    @model_validator(mode="after")
    def _ordered(self) -> MediaSettings:
        if not self.interrupted_after_s <= self.idle_interrupted_after_s < self.closed_after_s:
            raise ValueError("interrupted_after_s <= idle_interrupted_after_s < closed_after_s must hold")
        return self
