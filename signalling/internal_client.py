"""A client of this machine's own internal API, for the command line and the demo."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any

import aiohttp

from signalling.errors import OperatorError
from signalling.settings import InternalSettings

TIMEOUT_S = 15.0


class InternalApiError(OperatorError):
    """The server did not do what a command asked for."""

    code = "internal_api"
    default_message = "The internal API did not answer as expected."


def internal_url(settings: InternalSettings) -> str:
    """Where this machine reaches the listener; a wildcard address is reached at the loopback one."""
    host = settings.host
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return f"http://{host}:{settings.port}"
    if address.is_unspecified:
        address = ipaddress.ip_address("::1" if address.version == 6 else "127.0.0.1")
    return (
        f"http://[{address}]:{settings.port}" if address.version == 6 else f"http://{address}:{settings.port}"
    )


async def create_room(settings: InternalSettings, api_key: str, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """`POST /rooms`; returns the room.

    Raises:
        InternalApiError: no server, or it refused.
    """
    url = f"{internal_url(settings)}/internal/v1/rooms"
    headers = {"Authorization": f"Bearer {api_key}"}
    timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.post(url, json=dict(wanted), headers=headers) as response,
        ):
            answer = await response.json(content_type=None)
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        raise InternalApiError(f"No server answers at {internal_url(settings)}: is it running?") from error
    if response.status != 201:
        faults = [f"{fault['pointer']} {fault['detail']}" for fault in answer.get("errors", [])]
        raise InternalApiError("\n".join([answer.get("detail", f"HTTP {response.status}"), *faults]))
    room: dict[str, Any] = answer
    return room
