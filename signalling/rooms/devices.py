"""What a device is, from the User-Agent header its browser sends: for statistics, never for behaviour."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import ua_parser


@dataclass(frozen=True, slots=True)
class Device:
    """None where the header does not say."""

    device: str | None = None
    os: str | None = None
    browser: str | None = None


@lru_cache(maxsize=256)
def parse_user_agent(user_agent: str) -> Device:
    """`user_agent`: at most 512 characters. Never raises; an unknown header gives an empty device."""
    if not user_agent:
        return Device()
    parsed = ua_parser.parse(user_agent).with_defaults()
    return Device(
        device=_known(" ".join(part for part in (parsed.device.brand, parsed.device.model) if part)),
        os=_known(" ".join(part for part in (parsed.os.family, parsed.os.major) if part)),
        browser=_known(
            " ".join(part for part in (parsed.user_agent.family, parsed.user_agent.major) if part)
        ),
    )


def _known(text: str) -> str | None:
    return text[:100] if text and text != "Other" else None
