"""The real Chromium of the system, one process and one fresh profile per page, with a fake camera.

The camera and the microphone are files (`tests/support/content.py`), or whatever a script makes that runs
before the page's own (`tests/support/avsync.py`).
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

from playwright.async_api import BrowserContext, ConsoleMessage, Geolocation, Playwright, async_playwright
from playwright.async_api import Page as PlaywrightPage

from tests.support.content import Devices
from tests.support.page import PRELOAD

EXECUTABLE = "/usr/bin/chromium"
FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


class ChromiumPage:
    """Implements `tests.support.page.Page`."""

    def __init__(self, context: BrowserContext, page: PlaywrightPage) -> None:
        self._context = context
        self.playwright_page = page
        self.problems: list[str] = []
        page.on("pageerror", lambda error: self.problems.append(f"uncaught: {error}"))
        page.on("console", self._on_console)

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.problems.append(message.text)

    async def open(self, url: str) -> None:
        await self.playwright_page.goto(url)

    async def reload(self) -> None:
        await self.playwright_page.reload()

    async def evaluate(self, expression: str) -> Any:
        return await self.playwright_page.evaluate(expression)

    async def click(self, testid: str) -> None:
        await self.playwright_page.get_by_test_id(testid).locator("visible=true").first.click()

    async def fill(self, testid: str, text: str) -> None:
        await self.playwright_page.get_by_test_id(testid).locator("visible=true").first.fill(text)

    async def screenshot(self, path: Path) -> None:
        await self.playwright_page.screenshot(path=path)

    async def aclose(self) -> None:
        await self._context.close()


class Chromium:
    """Starts Chromium processes; one `playwright` for all of them."""

    def __init__(self, playwright: Playwright) -> None:
        self._playwright = playwright

    @contextlib.asynccontextmanager
    async def page(
        self,
        *,
        devices: Devices | None = None,
        position: tuple[float, float] | None = None,
        viewport: tuple[int, int] = (1280, 800),
        mobile: bool = False,
        preload: str = "",
        flags: Sequence[str] = (),
    ) -> AsyncIterator[ChromiumPage]:
        """A page in a Chromium of its own.

        Args:
            devices: files that camera and microphone play in a loop; default: Chromium's own test picture
                and beeps.
            position: latitude and longitude, degrees; None: the position is denied.
            viewport: CSS pixels.
            mobile: touch and a mobile viewport.
            preload: script that runs before those of the page.
            flags: further switches of the command line.
        """
        switches = [*FLAGS, *flags]
        if devices is not None:
            switches.append(f"--use-file-for-fake-video-capture={devices.camera}")
            switches.append(f"--use-file-for-fake-audio-capture={devices.microphone}")
        granted = ["camera", "microphone"] + (["geolocation"] if position else [])
        where: Geolocation | None = None
        if position is not None:
            where = {"latitude": position[0], "longitude": position[1], "accuracy": 8.0}
        with tempfile.TemporaryDirectory(prefix="sightline-chromium-", ignore_cleanup_errors=True) as profile:
            context = await self._playwright.chromium.launch_persistent_context(
                profile,
                executable_path=EXECUTABLE,
                headless=True,
                args=switches,
                viewport={"width": viewport[0], "height": viewport[1]},
                is_mobile=mobile,
                has_touch=mobile,
                permissions=granted,
                geolocation=where,
                ignore_https_errors=True,
                locale="en-GB",
            )
            try:
                context.set_default_timeout(15_000)
                await context.add_init_script(PRELOAD + preload)
                page = context.pages[0] if context.pages else await context.new_page()
                yield ChromiumPage(context, page)
            finally:
                await context.close()


@contextlib.asynccontextmanager
async def chromium() -> AsyncIterator[Chromium]:
    async with async_playwright() as playwright:
        yield Chromium(playwright)
