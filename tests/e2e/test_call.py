"""A call between two real browsers on the pages that the API's links lead to."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager

import pytest

from tests.e2e.conftest import ChromiumSide
from tests.support.codec_probe import codec_contexts
from tests.support.content import AGENT, REQUESTER, Side
from tests.support.firefox import firefox_page
from tests.support.page import (
    Page,
    enter,
    hang_up,
    media_stats,
    see_and_hear_each_other,
    until,
    until_visible,
    visible,
)
from tests.support.server import SightlineServer

MEDIA_WITHIN_S = 3.0


@contextlib.asynccontextmanager
async def no_codecs_in(pid: int) -> AsyncIterator[None]:
    """Fails if the process has an encoder or decoder at any of the moments it is looked at meanwhile."""
    samples: list[list[str]] = []

    async def sample() -> None:
        while True:
            samples.append(await asyncio.to_thread(codec_contexts, pid))
            await asyncio.sleep(0.5)

    sampling = asyncio.create_task(sample(), name="codec-probe")
    try:
        yield
    finally:
        sampling.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await sampling
    assert len(samples) >= 3, "looked often enough"
    assert not any(samples), f"codecs in the server process: {samples}"


def test_the_probe_sees_a_decoder_and_an_encoder() -> None:
    """Or else "no codec in the server" would prove nothing."""
    program = (
        "import av, sys; held = [av.CodecContext.create('vp8', 'r'), av.CodecContext.create('libopus', 'w')];"
        "print('made', flush=True); sys.stdin.readline()"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdin=-1, stdout=-1, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "made\n"
        assert codec_contexts(process.pid) == ["libopus", "vp8"]
        process.communicate("\n")


@pytest.mark.parametrize(
    ("requester_browser", "agent_browser"),
    [("chromium", "chromium"), ("firefox", "chromium"), ("chromium", "firefox")],
)
async def test_both_sides_see_and_hear_each_other(
    server: SightlineServer, chromium_side: ChromiumSide, requester_browser: str, agent_browser: str
) -> None:
    def page(browser: str, side: Side) -> AbstractAsyncContextManager[Page]:
        return chromium_side(side) if browser == "chromium" else firefox_page()

    room = await server.create_room(reference="E2E-1", agent="Alice Agent", requestor={"name": "Rémi"})
    async with (
        page(agent_browser, AGENT) as agent,
        page(requester_browser, REQUESTER) as requester,
        no_codecs_in(server.pid),
    ):
        await enter(agent, room["agent_url"], name="Alice")
        await until_visible(agent, "waiting")
        joined = await enter(requester, room["requestor_url"], name="Rémi")
        await see_and_hear_each_other(agent, requester)
        assert time.monotonic() - joined < MEDIA_WITHIN_S

        assert not await visible(agent, "waiting")
        before = [await media_stats(page) for page in (agent, requester)]
        await asyncio.sleep(2)
        after = [await media_stats(page) for page in (agent, requester)]
        for earlier, later in zip(before, after, strict=True):
            assert later.frames_decoded - earlier.frames_decoded >= 20, "the picture goes on"
            assert later.audio_energy > earlier.audio_energy, "the sound goes on"

        await hang_up(agent)
        await until_visible(requester, "ended")
        await until(lambda: server.room_is(room["convId"], "done"), "the room is done")
        for name, side in (("agent", agent), ("requester", requester)):
            assert not side.problems, f"{name}: {side.problems}"


async def test_a_reload_returns_to_the_call_without_questions(
    server: SightlineServer, chromium_side: ChromiumSide
) -> None:
    room = await server.create_room(reference="E2E-2")
    async with chromium_side(AGENT) as agent, chromium_side(REQUESTER) as requester:
        await enter(agent, room["agent_url"])
        await enter(requester, room["requestor_url"])
        await see_and_hear_each_other(agent, requester)
        await requester.reload()
        await until_visible(requester, "hang-up")
        frames = (await media_stats(agent)).frames_decoded
        await see_and_hear_each_other(agent, requester)

        async def goes_on() -> bool:
            return (await media_stats(agent)).frames_decoded > frames + 30

        await until(goes_on, "the agent sees the requester again")
        people = await server.call("GET", f"/rooms/{room['convId']}/participants")
        assert len(people["data"] if isinstance(people, dict) else people) == 2, (
            "the seat was kept, not doubled"
        )


async def test_a_muted_microphone_is_silent_and_seen_as_muted(
    server: SightlineServer, chromium_side: ChromiumSide
) -> None:
    room = await server.create_room(reference="E2E-3")
    async with chromium_side(AGENT) as agent, chromium_side(REQUESTER) as requester:
        await enter(agent, room["agent_url"])
        await enter(requester, room["requestor_url"])
        await see_and_hear_each_other(agent, requester)
        await requester.click("mic-toggle")
        await asyncio.sleep(1.5)
        muted_at = (await media_stats(agent)).audio_energy
        await asyncio.sleep(2)
        assert (await media_stats(agent)).audio_energy - muted_at < 1e-4

        await requester.click("mic-toggle")

        async def heard_again() -> bool:
            return (await media_stats(agent)).audio_energy > muted_at + 1e-3

        await until(heard_again, "the requester is heard again")
