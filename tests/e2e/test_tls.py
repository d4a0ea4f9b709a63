"""The server with a certificate of its own, as `--tls auto` makes it for a phone on the same network."""

from __future__ import annotations

from pathlib import Path

from tests.e2e.conftest import ChromiumSide
from tests.support.content import AGENT, REQUESTER
from tests.support.page import enter, hang_up, see_and_hear_each_other, until_visible
from tests.support.server import running_server


async def test_a_call_over_our_own_certificate(chromium_side: ChromiumSide, tmp_path: Path) -> None:
    async with (
        running_server(tmp_path / "server", scheme="https", SIGHTLINE_TLS="auto") as server,
        chromium_side(AGENT) as agent,
        chromium_side(REQUESTER, viewport=(360, 740), mobile=True) as requester,
    ):
        room = await server.create_room(reference="TLS-1")
        assert room["requestor_url"].startswith("https://")
        await enter(agent, room["agent_url"])
        await enter(requester, room["requestor_url"])
        await see_and_hear_each_other(agent, requester)
        await hang_up(agent)
        await until_visible(requester, "ended")
