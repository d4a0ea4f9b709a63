"""Lip-sync of the composite, measured by ffmpeg's filters: flashes and beeps that left the pages together."""

from __future__ import annotations

import asyncio
from pathlib import Path
from statistics import median

from tests.support import judge
from tests.support.avsync import CHROMIUM_FLAGS, INTERVAL_S, flash_and_beep
from tests.support.browser import Chromium
from tests.support.content import AGENT, REQUESTER
from tests.support.page import enter, hang_up, see_and_hear_each_other
from tests.support.server import SightlineServer

RECORDED_S = 16.0
LIMIT_MS = 40.0


async def test_flash_and_beep_of_both_sides_stay_together(
    server: SightlineServer, browsers: Chromium, tmp_path: Path
) -> None:
    room = await server.create_room(reference="SYNC-1")
    async with (
        browsers.page(preload=flash_and_beep(AGENT), flags=CHROMIUM_FLAGS) as agent,
        browsers.page(preload=flash_and_beep(REQUESTER), flags=CHROMIUM_FLAGS) as requester,
    ):
        await enter(agent, room["agent_url"])
        await enter(requester, room["requestor_url"])
        await see_and_hear_each_other(agent, requester)
        await agent.click("record-toggle")
        await asyncio.sleep(RECORDED_S)
        await hang_up(agent)
    recording = await server.completed_recording(room["convId"])
    composite = await server.download(recording["url"], tmp_path / "composite.mp4")
    pictures = judge.frames(composite, fps=5)[10:]
    for side in (REQUESTER, AGENT):
        tile = next(tile for tile in (judge.find_tile(picture, side) for picture in pictures) if tile)
        skews = judge.skews_ms(judge.flash_times(composite, tile), judge.beep_times(composite, side.tone_hz))
        assert len(skews) >= RECORDED_S / INTERVAL_S - 4, f"{side.name}: only {len(skews)} pairs"
        assert abs(median(skews)) <= LIMIT_MS, f"{side.name}: {skews}"
