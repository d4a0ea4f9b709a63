"""Real browsers through a real media server: pictures and sound, both ways."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from tests.support.browser import ChromiumPage, chromium
from tests.support.firefox import FirefoxPage, firefox_page
from tests.support.media_app import MediaApp, media_server, until

pytestmark = pytest.mark.browser

Page = ChromiumPage | FirefoxPage
NewPage = Callable[[str], Awaitable[ChromiumPage]]


@pytest.fixture
async def app() -> AsyncIterator[MediaApp]:
    async with media_server() as server, MediaApp(server).serve() as app:
        yield app


@pytest.fixture
async def new_page(app: MediaApp) -> AsyncIterator[NewPage]:
    """Opens a page in a Chromium of its own; the argument names the participant."""
    async with AsyncExitStack() as stack:
        browsers = await stack.enter_async_context(chromium())

        async def new_page(query: str) -> ChromiumPage:
            page = await stack.enter_async_context(
                browsers.page(flags=["--autoplay-policy=no-user-gesture-required"])
            )
            await page.open(f"{app.url}/?participant={query}")
            return page

        yield new_page


async def subscribe_to_others(page: Page) -> None:
    await page.evaluate("post('/tracks', {}).then(({tracks}) => subscribe(tracks))")


async def wait_for_media(page: Page, frames: int) -> dict[str, Any]:
    """Statistics of the page once it decoded `frames` pictures and heard something."""
    stats: dict[str, Any] = {}
    for _ in range(300):
        stats = await page.evaluate("inbound()")
        video, audio = stats["video"], stats["audio"]
        if (
            video
            and audio
            and all(s.get("framesDecoded", 0) >= frames for s in video)
            and all(s.get("totalAudioEnergy", 0) > 0 for s in audio)
        ):
            return stats
        await asyncio.sleep(0.1)
    raise AssertionError(f"no media: {stats} {await page.evaluate('state')}")


@pytest.mark.parametrize("codec", ["video/VP8", "video/H264"])
async def test_two_chromium_pages_see_and_hear_each_other(
    app: MediaApp, new_page: NewPage, codec: str
) -> None:
    first = await new_page(f"first&codec={codec}")
    second = await new_page(f"second&codec={codec}")
    await first.evaluate("join()")
    await second.evaluate("join()")
    await subscribe_to_others(second)
    await subscribe_to_others(first)

    for page in (first, second):
        stats = await wait_for_media(page, 60)
        assert await page.evaluate("state.errors") == []
        assert stats["transport"]["srtpCipher"].removeprefix("SRTP_") == "AEAD_AES_128_GCM"
        assert stats["video"][0]["packetsLost"] == 0
    published = {track.codec.name for track in app.room.tracks.values() if track.kind == "video"}
    assert published == {codec.removeprefix("video/")}


async def test_closing_a_page_unpublishes_its_tracks_at_once(app: MediaApp, new_page: NewPage) -> None:
    page = await new_page("first")
    await page.evaluate("join()")
    await until(lambda: app.participant("first").state == "connected")
    assert len(app.room.tracks) == 2
    await page.evaluate("pc.close()")
    await until(lambda: app.participant("first").state == "closed", 2)
    assert not app.room.tracks


async def test_ice_restart_keeps_the_association_and_the_media(app: MediaApp, new_page: NewPage) -> None:
    first = await new_page("first")
    await first.evaluate("join()")
    second = await new_page("second")
    await second.evaluate("join()")
    await subscribe_to_others(second)
    await wait_for_media(second, 30)
    track_ids = set(app.room.tracks)
    before = await first.evaluate("pc.remoteDescription.sdp.match(/ice-ufrag:(.*)/)[1]")

    await first.evaluate("pc.restartIce(); inOrder(() => negotiate())")

    after = await first.evaluate("pc.remoteDescription.sdp.match(/ice-ufrag:(.*)/)[1]")
    assert after != before
    assert set(app.room.tracks) == track_ids
    received = (await second.evaluate("inbound()"))["video"][0]["framesDecoded"]
    await wait_for_media(second, received + 60)
    assert app.listeners["first"].states == ["connecting", "connected"]


async def test_a_new_peer_connection_replaces_the_old_one(app: MediaApp, new_page: NewPage) -> None:
    page = await new_page("first")
    await page.evaluate("join()")
    await until(lambda: app.participant("first").state == "connected")
    old = set(app.room.tracks)
    await page.reload()
    await page.evaluate("join()")
    await until(lambda: app.participant("first").state == "connected")
    assert len(app.room.tracks) == 2
    assert not old & set(app.room.tracks)


async def test_a_data_channel_is_refused_and_the_rest_works(app: MediaApp, new_page: NewPage) -> None:
    other = await new_page("first")
    await other.evaluate("join()")
    page = await new_page("second")
    await page.evaluate("pc.createDataChannel('first of all sections'); join()")
    await subscribe_to_others(page)
    await wait_for_media(page, 10)
    assert await page.evaluate("state.errors") == []
    assert app.participant("second").state == "connected"


async def test_an_unpublished_section_can_publish_again(app: MediaApp, new_page: NewPage) -> None:
    page = await new_page("first")
    await page.evaluate("join()")
    await page.evaluate("pc.getTransceivers()[1].direction = 'inactive'; inOrder(() => negotiate())")
    assert [track.kind for track in app.room.tracks.values()] == ["audio"]
    await page.evaluate("pc.getTransceivers()[1].direction = 'sendonly'; inOrder(() => negotiate())")
    assert sorted(track.kind for track in app.room.tracks.values()) == ["audio", "video"]
    assert await page.evaluate("state.errors") == []


async def test_firefox_and_chromium_see_and_hear_each_other(app: MediaApp, new_page: NewPage) -> None:
    page = await new_page("chromium")
    await page.evaluate("join()")
    async with firefox_page() as other:
        await other.open(f"{app.url}/?participant=firefox")
        await other.evaluate("join()")
        await subscribe_to_others(other)
        await subscribe_to_others(page)
        for side in (page, other):
            await wait_for_media(side, 30)
            assert await side.evaluate("state.errors") == []
