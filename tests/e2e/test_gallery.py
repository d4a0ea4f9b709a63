"""What was taken can be looked at during the session, and the customer is told of it."""

from __future__ import annotations

import asyncio

from tests.e2e.conftest import ChromiumSide
from tests.support.content import AGENT, REQUESTER
from tests.support.page import enter, see_and_hear_each_other, until
from tests.support.server import SightlineServer

PLAY = "document.querySelector('.recording-play')"
VIDEO = "document.querySelector('dialog video, [role=dialog] video')"


async def test_the_agent_watches_a_recording_and_the_customer_is_told_of_a_photo(
    server: SightlineServer, chromium_side: ChromiumSide
) -> None:
    room = await server.create_room(agent="Alice", requestor={"name": "Rémi"})
    async with chromium_side(AGENT) as agent, chromium_side(REQUESTER) as requester:
        await enter(agent, room["agent_url"])
        await enter(requester, room["requestor_url"])
        await see_and_hear_each_other(agent, requester)
        await agent.click("record-toggle")
        await asyncio.sleep(3)
        await agent.click("take-snapshot")

        async def told() -> bool:
            return "A photo of what you show was taken." in await requester.evaluate(
                "document.body.innerText"
            )

        await until(told, "the customer's page saying that a photo was taken")
        await agent.click("record-toggle")

        async def ready() -> bool:
            return bool(await agent.evaluate(f"{PLAY} !== null && !{PLAY}.disabled"))

        await until(ready, "the recording being ready", timeout_s=60)
        await agent.evaluate(f"{PLAY}.click()")

        async def plays() -> bool:
            return bool(await agent.evaluate(f"({VIDEO}?.currentTime ?? 0) > 0.5"))

        await until(plays, "the recording playing in the page")
        assert await agent.evaluate(f"[{VIDEO}.videoWidth, {VIDEO}.videoHeight]") == [1280, 720]
