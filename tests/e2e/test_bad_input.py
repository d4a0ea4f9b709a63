"""What people see who open a link that does not work, and pages on the smallest phone."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from tests.e2e.conftest import ChromiumSide
from tests.support.content import AGENT, REQUESTER
from tests.support.page import Page, count, enter, see_and_hear_each_other, text_of, until_visible, visible
from tests.support.server import SightlineServer


async def words_of_the_error(page: Page) -> str:
    """What the page says is wrong: in words, not a code, and without buttons that do nothing."""
    await until_visible(page, "error")
    said = await text_of(page, "error")
    assert len(said.split()) >= 5, said
    assert "_" not in said, f"a code, not words: {said}"
    for control in ("join", "consent-accept", "hang-up"):
        assert not await visible(page, control)
    return said


async def test_a_wrong_password_and_an_unknown_room_look_alike(
    server: SightlineServer, chromium_side: ChromiumSide
) -> None:
    room = await server.create_room(reference="BAD-1")
    wrong = f"{int(room['pwd']) ^ 1:06d}"
    async with chromium_side(REQUESTER) as page:
        await page.open(f"{server.public_url}/?convId={room['convId']}&pwd={wrong}")
        said = await words_of_the_error(page)
        await page.open(f"{server.public_url}/?convId=00000000-0000-4000-8000-000000000000&pwd=123456")
        assert await words_of_the_error(page) == said


async def test_an_incomplete_link_is_refused_in_words(
    server: SightlineServer, chromium_side: ChromiumSide
) -> None:
    async with chromium_side(REQUESTER) as page:
        await page.open(f"{server.public_url}/")
        await words_of_the_error(page)
        await page.open(f"{server.public_url}/agent?convId=abc&token=not-a-token")
        await words_of_the_error(page)


async def test_a_room_whose_time_is_over(server: SightlineServer, chromium_side: ChromiumSide) -> None:
    end = datetime.now(UTC) + timedelta(seconds=2)
    room = await server.create_room(
        reference="BAD-2", start_time=(end - timedelta(minutes=5)).isoformat(), end_time=end.isoformat()
    )
    await asyncio.sleep(2.5)
    async with chromium_side(REQUESTER) as page:
        await page.open(room["requestor_url"])
        await words_of_the_error(page)


async def test_a_closed_room(server: SightlineServer, chromium_side: ChromiumSide) -> None:
    room = await server.create_room(reference="BAD-3")
    async with chromium_side(REQUESTER) as page:
        await enter(page, room["requestor_url"])
        await server.call(
            "DELETE", f"/rooms/{room['convId']}", json={"reason": "solved by phone"}, expect=200
        )
        await until_visible(page, "ended")


async def test_a_second_agent_is_turned_away_and_disturbs_nobody(
    server: SightlineServer, chromium_side: ChromiumSide
) -> None:
    room = await server.create_room(reference="BAD-4")
    other_link = (await server.call("GET", f"/rooms/{room['convId']}"))["agent_url"]
    async with (
        chromium_side(AGENT) as agent,
        chromium_side(REQUESTER) as requester,
        chromium_side(AGENT) as second,
    ):
        await enter(agent, room["agent_url"])
        await enter(requester, room["requestor_url"])
        await see_and_hear_each_other(agent, requester)
        await second.open(other_link)
        await until_visible(second, "error")
        await see_and_hear_each_other(agent, requester)
        assert await count(agent, "remote-video") == 1


@pytest.mark.parametrize("viewport", [(360, 740), (740, 360)], ids=["portrait", "landscape"])
async def test_the_requesters_page_fits_a_small_phone(
    server: SightlineServer, chromium_side: ChromiumSide, viewport: tuple[int, int]
) -> None:
    room = await server.create_room(
        reference="PHONE-1", geolocation="optional", terms_url="https://example.com/terms"
    )

    async def fits(page: Page) -> None:
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        outside = await page.evaluate(
            "[...document.querySelectorAll('button')].filter(e => e.checkVisibility())"
            ".map(e => [e.getBoundingClientRect(), e.dataset.testid ?? e.innerText])"
            ".filter(([r]) => r.left < -1 || r.right > innerWidth + 1).map(([, name]) => name)"
        )
        assert not outside, f"beyond the edge: {outside}"

    async with (
        chromium_side(AGENT) as agent,
        chromium_side(REQUESTER, viewport=viewport, mobile=True) as requester,
    ):
        await requester.open(room["requestor_url"])
        await until_visible(requester, "consent-accept")
        await fits(requester)
        await enter(requester, room["requestor_url"])
        await fits(requester)
        await enter(agent, room["agent_url"])
        await see_and_hear_each_other(agent, requester)
        await fits(requester)
        small = await requester.evaluate(
            "[...document.querySelectorAll('button')].filter(e => e.checkVisibility())"
            ".filter(e => e.getBoundingClientRect().height < 40).map(e => e.dataset.testid ?? e.innerText)"
        )
        assert not small, f"too small for a thumb: {small}"
