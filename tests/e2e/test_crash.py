"""The server is killed hard in the middle of a recorded call."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from tests.e2e.conftest import ChromiumSide
from tests.support import judge
from tests.support.content import AGENT, REQUESTER
from tests.support.page import enter, hang_up, see_and_hear_each_other, until, until_visible
from tests.support.server import SightlineServer

RECORDED_S = 6.0


async def test_a_recording_and_the_call_survive_kill_9(
    server: SightlineServer, chromium_side: ChromiumSide, tmp_path: Path
) -> None:
    room = await server.create_room(reference="CRASH-1")
    async with chromium_side(AGENT) as agent, chromium_side(REQUESTER) as requester:
        await enter(agent, room["agent_url"])
        await enter(requester, room["requestor_url"])
        await see_and_hear_each_other(agent, requester)
        await agent.click("record-toggle")
        started = time.monotonic()
        await asyncio.sleep(RECORDED_S)
        await server.kill()
        recorded_s = time.monotonic() - started
        await server.start()

        # Nobody does anything: the recording comes by itself, and the pages find back into the call.
        recording = await server.completed_recording(room["convId"])
        composite = await server.download(recording["url"], tmp_path / "composite.mp4")
        assert not judge.decode_errors(composite)
        duration_s = float(judge.probe(composite)["format"]["duration"])
        assert duration_s == pytest.approx(recorded_s, abs=1.0), "up to the last moment before the crash"
        picture = judge.frames(composite, fps=5)[-5]
        assert judge.find_tile(picture, REQUESTER) is not None
        assert judge.find_tile(picture, AGENT) is not None

        await see_and_hear_each_other(agent, requester, timeout_s=30)
        await hang_up(agent)
        await until_visible(requester, "ended")
    await until(lambda: server.room_is(room["convId"], "done"), "the room is done")
