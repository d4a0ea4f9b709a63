"""What a session leaves behind: one session is held by the pages' own buttons, then judged piece by piece by
tools that are not ours.
"""

from __future__ import annotations

import asyncio
import re
import subprocess
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import parse_qs, urlencode, urlsplit, urlunsplit
from urllib.request import Request, urlopen

import numpy as np
import pytest
import pytest_asyncio
from numpy.typing import NDArray

from tests.e2e.conftest import POSITION
from tests.support import judge
from tests.support.browser import Chromium
from tests.support.content import AGENT, CAMERA_FPS, REQUESTER, Devices, Side
from tests.support.page import count, enter, hang_up, see_and_hear_each_other, until, until_visible
from tests.support.server import SightlineServer

RECORDED_S = 10.0


@dataclass(frozen=True, slots=True)
class Products:
    """What came of the session, downloaded by the links of the media list."""

    server: SightlineServer
    recording: dict[str, Any]
    composite: Path
    photo_entry: dict[str, Any]
    photo: Path
    clicked_ms: int
    """When the agent pressed the photo button, epoch milliseconds."""
    listed_after_s: float
    """From the press until the media list had the photo."""
    recorded_s: float
    """From the press on record until before the agent hung up."""
    ended_s: float
    """From the press on record until the page said that the session has ended."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def products(
    server: SightlineServer,
    browsers: Chromium,
    devices: dict[Side, Devices],
    tmp_path_factory: pytest.TempPathFactory,
) -> Products:
    directory = tmp_path_factory.mktemp("products")
    room = await server.create_room(
        reference="TICKET-7", agent="Alice", requestor={"name": "Rémi"}, geolocation="optional"
    )
    conv_id = room["convId"]
    async with (
        browsers.page(devices=devices[AGENT]) as agent,
        browsers.page(devices=devices[REQUESTER], position=POSITION) as requester,
    ):
        await enter(agent, room["agent_url"])
        await enter(requester, room["requestor_url"])
        await see_and_hear_each_other(agent, requester)
        await agent.click("record-toggle")
        started = time.monotonic()
        await asyncio.sleep(RECORDED_S / 2)

        await agent.evaluate("addEventListener('click', () => { window.__clicked = Date.now(); }, true)")
        await agent.click("take-snapshot")

        async def photo_listed() -> bool:
            return any(media["type"] == "image/jpeg" for media in await server.medias(conv_id))

        await until(photo_listed, "the photo in the media list")
        listed = time.time()
        clicked_ms = await agent.evaluate("window.__clicked")

        async def photo_shown() -> bool:
            loaded = "document.querySelector('[data-testid=snapshot] img')?.naturalWidth > 0"
            return await count(agent, "snapshot") == 1 and await agent.evaluate(loaded)

        await until(photo_shown, "the photo in the agent's gallery")
        await asyncio.sleep(max(0.0, started + RECORDED_S - time.monotonic()))
        recorded_s = time.monotonic() - started
        await hang_up(agent)
        ended_s = time.monotonic() - started
        await until_visible(requester, "ended")
    recording = await server.completed_recording(conv_id)
    (photo_entry,) = [media for media in await server.medias(conv_id) if media["type"] == "image/jpeg"]
    return Products(
        server=server,
        recording=recording,
        composite=await server.download(recording["url"], directory / "composite.mp4"),
        photo_entry=photo_entry,
        photo=await server.download(photo_entry["url"], directory / "photo.jpg"),
        clicked_ms=clicked_ms,
        listed_after_s=listed - clicked_ms / 1000,
        recorded_s=recorded_s,
        ended_s=ended_s,
    )


@pytest.fixture(scope="module")
def pictures(products: Products) -> NDArray[np.uint8]:
    """The composite's pictures, five per second, without the first and the last second."""
    return judge.frames(products.composite, fps=5)[5:-5]


def test_the_composite_is_an_mp4_as_promised(products: Products) -> None:
    about = judge.probe(products.composite)
    video, audio = (
        next(s for s in about["streams"] if s["codec_type"] == kind) for kind in ("video", "audio")
    )
    assert (video["codec_name"], video["profile"], video["pix_fmt"]) == ("h264", "High", "yuv420p")
    assert (video["width"], video["height"]) == (1280, 720)
    assert (audio["codec_name"], audio["sample_rate"]) == ("aac", "48000")
    assert video["r_frame_rate"] == video["avg_frame_rate"] == "25/1"
    steps = np.diff(judge.frame_times(products.composite))
    assert steps.min() > 0.0399 and steps.max() < 0.0401, "every frame lasts 40 ms"
    assert judge.moov_before_mdat(products.composite)
    assert not judge.decode_errors(products.composite)
    assert products.recorded_s - 0.8 <= float(about["format"]["duration"]) <= products.ended_s + 0.2


def test_the_list_describes_the_composite(products: Products) -> None:
    entry = products.recording
    assert re.fullmatch(r"[0-9A-Za-z]{8}-\d+-composite", entry["title"])
    assert entry["filename"] == entry["title"] + ".mp4"
    assert (entry["media_type"], entry["source_type"]) == ("video", "conf_record")
    assert entry["filesize"] == products.composite.stat().st_size
    assert datetime.fromisoformat(entry["created"]).utcoffset() is not None
    assert (entry["geoloc"]["lat"], entry["geoloc"]["lng"]) == pytest.approx(POSITION, abs=1e-6)
    assert judge.exif(products.composite, "Title")["Title"] == entry["title"]


@pytest.mark.parametrize("side", [REQUESTER, AGENT], ids=lambda side: side.name)
def test_each_tile_shows_its_sender_live(pictures: NDArray[np.uint8], side: Side) -> None:
    tiles = [judge.find_tile(picture, side) for picture in pictures]
    assert all(tiles), (
        f"{sum(tile is None for tile in tiles)} of {len(tiles)} pictures do not show the {side.name}"
    )
    tile = tiles[len(tiles) // 2]
    assert tile is not None
    assert tile.width >= 240
    assert tile.width / tile.height == pytest.approx(16 / 9, rel=0.03), "neither cropped nor stretched"
    counters = [judge.read_counter(picture, tile) for picture in pictures]
    readable = [number for number in counters if number is not None]
    assert len(readable) >= 0.9 * len(counters)
    steps = np.diff(readable)
    assert (steps >= 0).all(), "no frame comes back"
    assert np.mean(steps) == pytest.approx(CAMERA_FPS / 5, rel=0.25), "the picture keeps pace"


def test_the_tiles_do_not_cover_each_other(pictures: NDArray[np.uint8]) -> None:
    picture = pictures[len(pictures) // 2]
    tiles = [judge.find_tile(picture, side) for side in (REQUESTER, AGENT)]
    first, second = tiles
    assert first is not None
    assert second is not None
    assert first.width > second.width, "what the requester shows matters most"
    apart = (
        first.right <= second.left
        or second.right <= first.left
        or first.bottom <= second.top
        or second.bottom <= first.top
    )
    assert apart, tiles


@pytest.mark.parametrize("side", [REQUESTER, AGENT], ids=lambda side: side.name)
def test_both_are_heard(products: Products, side: Side) -> None:
    sound = judge.samples(products.composite)
    beeps = judge.tone_level(sound, side.tone_hz) > 0.02
    # 300 ms in each second; the first ones may be lost while the connection adapts.
    assert 0.15 < beeps.mean() < 0.6
    starts = np.flatnonzero(np.diff(beeps.astype(int)) == 1)
    assert len(starts) >= products.recorded_s - 3


def test_the_photo_is_evidence(products: Products) -> None:
    title = products.photo_entry["title"]
    match = re.fullmatch(r"diag_snapshot_(\d{13})", title)
    assert match
    captured_ms = int(match.group(1))
    assert -300 <= captured_ms - products.clicked_ms <= 1000, "it shows the moment of the click"
    tags = ("GPSLatitude", "GPSLongitude", "SubSecDateTimeOriginal", "ImageWidth", "ImageHeight")
    exif = judge.exif(products.photo, *tags)
    assert exif["Validate"] == "0 0 0", "exiftool -validate finds no error, no warning"
    assert (exif["GPSLatitude"], exif["GPSLongitude"]) == pytest.approx(POSITION, abs=1e-7)
    taken = datetime.strptime(exif["SubSecDateTimeOriginal"], "%Y:%m:%d %H:%M:%S.%f%z")
    assert round(taken.timestamp() * 1000) == captured_ms
    location = products.photo_entry["location"]
    assert (location["lat"], location["lon"]) == pytest.approx(POSITION, abs=1e-7)
    subprocess.run(["exiv2", "-pa", str(products.photo)], check=True, capture_output=True)

    (picture,) = judge.frames(products.photo, width=exif["ImageWidth"], height=exif["ImageHeight"])
    tile = judge.find_tile(picture, REQUESTER)
    assert tile is not None
    assert (tile.width, tile.height) == (exif["ImageWidth"], exif["ImageHeight"]), (
        "nothing but the requester's picture"
    )
    assert judge.read_counter(picture, tile) is not None, "the frame is sharp enough to be read"


def test_the_photo_was_listed_within_a_second(products: Products) -> None:
    assert products.listed_after_s < 1.0


def _packet_digests(path: Path) -> list[str]:
    command = ["ffmpeg", "-v", "error", "-i", str(path), "-c", "copy", "-f", "framemd5", "-"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return [line.rsplit(",", 1)[1].strip() for line in text.splitlines() if not line.startswith("#")]


def test_another_tool_reads_the_same_frames_from_the_raw_capture(products: Products, tmp_path: Path) -> None:
    """janus-pp-rec and our assembly turn the same packets into frames, independently of each other."""
    dumps = sorted(products.server.data.rglob("*.mjr"))
    assert len(dumps) == 4, "camera and microphone of two people"
    compared = 0
    ours = {tuple(_packet_digests(path)) for path in products.server.data.rglob("*.mkv")}
    for dump in dumps:
        theirs = tmp_path / (dump.stem + (".webm" if "video" in dump.name else ".opus"))
        subprocess.run(["janus-pp-rec", str(dump), str(theirs)], check=True, capture_output=True)
        digests = tuple(_packet_digests(theirs))
        assert len(digests) > products.recorded_s * (20 if "video" in dump.name else 40)
        # The recording may have stopped amid a last frame: they write what there is of it, we leave it out.
        same = digests in ours or digests[:-1] in ours
        assert same, f"{dump.name}: no track of ours has these {len(digests)} frames"
        compared += 1
    assert compared == 4


def test_media_links_can_be_read_in_parts(products: Products) -> None:
    url = products.recording["url"]
    with urlopen(Request(url, headers={"Range": "bytes=4-11"})) as response:
        assert response.status == 206
        assert response.headers["Content-Type"] == "video/mp4"
        size = products.composite.stat().st_size
        assert response.headers["Content-Range"] == f"bytes 4-11/{size}"
        assert response.read() == products.composite.read_bytes()[4:12]


@pytest.mark.parametrize("tampering", ["no signature", "other signature", "later expiry", "other medium"])
def test_a_media_link_is_worth_nothing_without_its_signature(products: Products, tampering: str) -> None:
    parts = urlsplit(products.recording["url"])
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    path = parts.path
    if tampering == "no signature":
        query = {}
    elif tampering == "other signature":
        query["sig"] = query["sig"][:-2] + ("AA" if query["sig"][-2:] != "AA" else "BB")
    elif tampering == "later expiry":
        query["exp"] = str(int(query["exp"]) + 1)
    else:
        path = urlsplit(products.photo_entry["url"]).path
    forged = urlunsplit((parts.scheme, parts.netloc, path, urlencode(query), ""))
    with pytest.raises(HTTPError) as refused:
        urlopen(forged)
    assert refused.value.code == 403
