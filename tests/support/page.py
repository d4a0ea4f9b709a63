"""A page of ours in a browser, whichever browser: what the tests do with it and what they ask it.

`tests/support/browser.py` (Chromium) and `tests/support/firefox.py` implement `Page`. The pages are driven by
the `data-testid` values that they promise, never by their inner structure. What a page's peer connections
know is read from `getStats` (W3C webrtc-stats), for which `PRELOAD` keeps hold of them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol

PRELOAD = """
(() => {
  const Native = window.RTCPeerConnection;
  window.__peers = [];
  window.RTCPeerConnection = class extends Native {
    constructor(...args) { super(...args); window.__peers.push(this); }
  };
})();
"""
"""Runs before any script of the page."""

_ENTRANCE = """
Object.fromEntries(['hang-up', 'error', 'consent-accept', 'name-input', 'join'].map(id => [id,
  [...document.querySelectorAll(`[data-testid="${id}"]`)].some(e => e.checkVisibility() && !e.disabled)]))
"""

_STATS = """
(async () => {
  const sum = {
    framesDecoded: 0, framesSent: 0, audioEnergy: 0, packetsReceived: 0, packetsSent: 0, codecs: [],
  };
  for (const peer of window.__peers ?? []) {
    if (peer.connectionState === 'closed') continue;
    const report = await peer.getStats();
    report.forEach(s => {
      if (s.type === 'inbound-rtp') {
        sum.framesDecoded += s.framesDecoded ?? 0;
        sum.audioEnergy += s.totalAudioEnergy ?? 0;
        sum.packetsReceived += s.packetsReceived ?? 0;
        const codec = s.codecId && report.get(s.codecId);
        if (codec) sum.codecs.push(codec.mimeType);
      }
      if (s.type === 'outbound-rtp') {
        sum.framesSent += s.framesSent ?? 0;
        sum.packetsSent += s.packetsSent ?? 0;
      }
    });
  }
  const shown = [...document.querySelectorAll('[data-testid="remote-video"]')]
    .map(e => e.matches('video') ? e : e.querySelector('video'))
    .filter(e => e && e.videoWidth > 0 && !e.paused && e.checkVisibility());
  sum.remotePictures = shown.length;
  sum.remoteWidth = shown.length ? shown[0].videoWidth : 0;
  sum.remoteHeight = shown.length ? shown[0].videoHeight : 0;
  return sum;
})()
"""


@dataclass(frozen=True, slots=True)
class MediaStats:
    """What a page receives and sends, over all its open peer connections."""

    frames_decoded: int
    frames_sent: int
    audio_energy: float
    packets_received: int
    packets_sent: int
    codecs: tuple[str, ...]
    """MIME types of what is received."""
    remote_pictures: int
    """Visible remote pictures that play."""
    remote_size: tuple[int, int]
    """Width and height of the first of them, pixels."""

    @property
    def sees_and_hears(self) -> bool:
        return self.frames_decoded > 0 and self.audio_energy > 0 and self.remote_pictures > 0


class Page(Protocol):
    """One page in a browser of its own."""

    @property
    def problems(self) -> list[str]:
        """Uncaught exceptions and console errors of the page so far, CSP violations among them."""

    async def open(self, url: str) -> None: ...
    async def reload(self) -> None: ...
    async def evaluate(self, expression: str) -> Any:
        """The JSON value of a JavaScript expression; a promise is awaited."""

    async def click(self, testid: str) -> None: ...
    async def fill(self, testid: str, text: str) -> None: ...
    async def aclose(self) -> None: ...


def _elements(testid: str) -> str:
    return f"[...document.querySelectorAll('[data-testid=\"{testid}\"]')].filter(e => e.checkVisibility())"


async def visible(page: Page, testid: str) -> bool:
    return bool(await page.evaluate(f"{_elements(testid)}.length > 0"))


async def enabled(page: Page, testid: str) -> bool:
    return bool(
        await page.evaluate(f"{_elements(testid)}.some(e => !e.disabled && e.ariaDisabled !== 'true')")
    )


async def text_of(page: Page, testid: str) -> str:
    """Text of the visible elements with that `data-testid`, empty if there is none."""
    return str(await page.evaluate(f"{_elements(testid)}.map(e => e.innerText).join('\\n').trim()"))


async def count(page: Page, testid: str) -> int:
    return int(await page.evaluate(f"{_elements(testid)}.length"))


async def media_stats(page: Page) -> MediaStats:
    values = await page.evaluate(_STATS)
    return MediaStats(
        frames_decoded=values["framesDecoded"],
        frames_sent=values["framesSent"],
        audio_energy=values["audioEnergy"],
        packets_received=values["packetsReceived"],
        packets_sent=values["packetsSent"],
        codecs=tuple(values["codecs"]),
        remote_pictures=values["remotePictures"],
        remote_size=(values["remoteWidth"], values["remoteHeight"]),
    )


async def until(condition: Callable[[], Awaitable[object]], what: str, *, timeout_s: float = 10.0) -> float:
    """Waits until a condition holds and returns how long that took, seconds.

    Raises:
        AssertionError: it did not within the time; the message says `what`.
    """
    started = time.monotonic()
    while not await condition():
        if time.monotonic() - started > timeout_s:
            raise AssertionError(f"not within {timeout_s} s: {what}")
        await asyncio.sleep(0.05)
    return time.monotonic() - started


async def until_visible(page: Page, testid: str, *, timeout_s: float = 10.0) -> None:
    try:
        await until(lambda: visible(page, testid), f"{testid} visible", timeout_s=timeout_s)
    except AssertionError as error:
        shown = await page.evaluate("document.body.innerText.slice(0, 600)")
        raise AssertionError(f"{error}; the page says {shown!r}; problems {page.problems}") from None


async def enter(page: Page, url: str, *, name: str = "Test", timeout_s: float = 20.0) -> float:
    """Opens a link and does what a person does until the call's controls are there: consent, name, join.

    Returns:
        When the person did the last of it, `time.monotonic()`: the moment of joining.

    Raises:
        AssertionError: the page shows an error, or does not come so far in time.
    """
    acted = time.monotonic()
    await page.open(url)

    async def entered() -> bool:
        nonlocal acted
        seen = await page.evaluate(_ENTRANCE)
        if seen["hang-up"]:
            return True
        if seen["error"]:
            raise AssertionError(f"the page shows an error: {await text_of(page, 'error')}")
        if seen["name-input"]:
            await page.fill("name-input", name)
        button = next((testid for testid in ("join", "consent-accept") if seen[testid]), None)
        if button is not None:
            acted = time.monotonic()
            await page.click(button)
        return False

    await until(entered, f"in the call at {url.partition('?')[0]}", timeout_s=timeout_s)
    return acted


async def hang_up(page: Page) -> None:
    """Hangs up as a person does: the agent's page asks once, and its answer is a `hang-up` too."""

    async def ended() -> bool:
        if await visible(page, "ended"):
            return True
        if await enabled(page, "hang-up"):
            await page.click("hang-up")
        return False

    await until(ended, "the page says that the session has ended")


async def see_and_hear_each_other(*pages: Page, timeout_s: float = 15.0) -> None:
    """Waits until every one of the pages plays a remote picture and remote sound."""

    async def all_do() -> bool:
        return all([(await media_stats(page)).sees_and_hears for page in pages])

    try:
        await until(all_do, "picture and sound on every side", timeout_s=timeout_s)
    except AssertionError as error:
        raise AssertionError(f"{error}: {[await media_stats(page) for page in pages]}") from None
