"""How long the second person of a call waits: from opening the link to the first remote picture.

    python -m benchmarks.join_time [--runs 10]

The agent is in the room. A fresh Chromium, nothing in its cache, opens the requester's link; a script in the
page accepts the consent as soon as it is shown, and notes when the first remote frame is presented
(`requestVideoFrameCallback`). Everything in between counts: page, scripts, socket, camera, ICE, DTLS,
keyframe. Only a person's own time to read and press is left out.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from pathlib import Path

from benchmarks.report import environment, report, summary
from tests.support.browser import EXECUTABLE, Chromium, chromium
from tests.support.content import AGENT, REQUESTER, Devices, make_devices
from tests.support.page import enter, hang_up
from tests.support.server import SightlineServer, running_server

_STOPWATCH = """
(() => {
  window.__times = {};
  const note = name => { window.__times[name] ??= performance.now(); };
  const look = () => {
    const accept = document.querySelector('[data-testid="consent-accept"]');
    if (accept && !accept.disabled && !window.__times.consent) { note('consent'); accept.click(); }
    const join = document.querySelector('[data-testid="join"]');
    if (join && !join.disabled && !window.__times.join) { note('join'); join.click(); }
    const remote = document.querySelector('[data-testid="remote-video"]');
    const video = remote?.matches('video') ? remote : remote?.querySelector('video');
    if (video && !video.__watched) {
      video.__watched = true;
      video.requestVideoFrameCallback(() => note('picture'));
    }
  };
  const timer = setInterval(() => { look(); if (window.__times.picture) clearInterval(timer); }, 5);
})();
"""


async def one_join(
    server: SightlineServer, browsers: Chromium, devices: dict[str, Devices]
) -> tuple[float, float]:
    """Milliseconds from opening the link to the consent card, and to the first remote picture."""
    room = await server.create_room(reference="BENCH")
    async with (
        browsers.page(devices=devices["agent"]) as agent,
        browsers.page(devices=devices["requester"], preload=_STOPWATCH) as requester,
    ):
        await enter(agent, room["agent_url"] + "&name=Agent")
        await asyncio.sleep(1.5)
        await requester.open(room["requestor_url"] + "&name=Requester")
        async with asyncio.timeout(20):
            while not (times := await requester.evaluate("window.__times")).get("picture"):
                await asyncio.sleep(0.2)
        await hang_up(agent)
    return times["consent"], times["picture"]


async def measure(runs: int) -> None:
    about = environment(EXECUTABLE)
    consents, pictures = [], []
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        devices = {side.name: make_devices(directory, side) for side in (AGENT, REQUESTER)}
        async with running_server(directory / "server") as server, chromium() as browsers:
            for _ in range(runs):
                consent, picture = await one_join(server, browsers, devices)
                consents.append(consent)
                pictures.append(picture)
    figures = {"consent_shown_ms": summary(consents), "first_remote_picture_ms": summary(pictures)}
    report("join_time", figures, about)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=10)
    asyncio.run(measure(parser.parse_args().runs))
