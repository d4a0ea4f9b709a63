"""`serve --demo`: a session to try the product with, its links on standard output."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, TextIO

import segno

from signalling.internal_client import create_room, internal_url
from signalling.settings import Settings

DURATION = timedelta(hours=4)


async def show_demo(settings: Settings, api_key: str, out: TextIO) -> None:
    """Create a room and print its links; with our own certificate also the requester's as a QR code."""
    end = datetime.now().astimezone() + DURATION
    room = await create_room(
        settings.internal,
        api_key,
        {"name": "Demo", "agent": "Demo agent", "end_time": end.isoformat(timespec="seconds")},
    )
    out.write(demo_text(room, settings, end))
    if settings.public.tls != "off":
        segno.make(room["requestor_url"], error="l").terminal(out, compact=True, border=2)
    out.flush()


def demo_text(room: dict[str, Any], settings: Settings, end: datetime) -> str:
    minutes = settings.session.agent_token_s // 60
    if settings.public.tls == "off":
        hint = "Both links work on this machine. For a phone on the same network: --tls auto"
    else:
        hint = (
            "With a phone on the same network, scan the code. It warns of the certificate, which is our own."
        )
    return (
        "\n  Sightline is running. A session is ready:\n\n"
        f"    Requester   {room['requestor_url']}\n"
        f"    Agent       {room['agent_url']}\n\n"
        f"  {hint}\n"
        f"  The agent's link has to be opened within {minutes} minutes; the session ends at {end:%H:%M}.\n"
        f"  Internal API: {internal_url(settings.internal)}/internal/v1/docs\n\n"
    )
