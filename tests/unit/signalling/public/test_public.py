from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from aiohttp.test_utils import TestClient, TestServer
from structlog.testing import capture_logs

from signalling.access.addresses import AddressResolver
from signalling.access.tokens import MediaLinks
from signalling.public.access_log import AccessLogger
from signalling.public.app import make_public_app
from signalling.public.headers import content_security_policy
from signalling.public.media import MediaFiles
from signalling.public.pages import WebClient
from signalling.realtime.server import RealtimeServer
from signalling.rooms.library import Library
from signalling.store import Store
from tests.support.store import new_photo, new_room

API_KEY = "k" * 48
PHOTO = bytes(range(256)) * 10
PUBLIC_URL = "https://sight.example"


class Public:
    """The public application on a socket, with one photo in its catalogue."""

    def __init__(self, client: TestClient[Any, Any], store: Store, directory: Path) -> None:
        self.client = client
        self.store = store
        self.directory = directory
        self.links = MediaLinks(b"m" * 32, PUBLIC_URL, 3600)

    def path(self, media_hash: str, enterprise: int = 1) -> str:
        url = urlsplit(self.links.url(enterprise, media_hash))
        return f"{url.path}?{url.query}"

    async def add(self, **changes: Any) -> str:
        """A photo, by its hash."""
        async with self.store.write() as tx:
            room = await tx.rooms.create(new_room(tx.now))
            media = await tx.medias.add(new_photo(room.id, **changes))
        return media.hash


@pytest.fixture
async def public(tmp_path: Path) -> AsyncIterator[Public]:
    build = tmp_path / "dist"
    (build / "assets").mkdir(parents=True)
    for page in ("requester", "agent", "meeting"):
        (build / f"{page}.html").write_text(f"<!doctype html><title>{page}</title>")
    (build / "assets" / "main-ABC.js").write_text("console.log(1);" * 100)
    (build / "manifest.json").write_text("{}")
    photos = tmp_path / "photos" / "2026"
    photos.mkdir(parents=True)
    (photos / "one.jpg").write_bytes(PHOTO)
    (tmp_path / "secret.txt").write_text("secret")
    store = await Store.open(f"sqlite:///{tmp_path}/public.db")
    library = Library(photos=tmp_path / "photos", recordings=tmp_path / "recordings")
    realtime = RealtimeServer(
        open_session=lambda connection: pytest.fail("nobody connects here"),
        origins=[PUBLIC_URL],
        addresses=AddressResolver(),
        connections_per_client=1,
    )
    app = make_public_app(
        realtime=realtime,
        media=MediaFiles(
            store=store, links=MediaLinks(b"m" * 32, PUBLIC_URL, 3600), library=library, api_key=API_KEY
        ),
        web_client=WebClient(build),
        public_url=PUBLIC_URL,
        frame_ancestors=["https://tickets.example"],
    )
    server = TestServer(app)
    await server.start_server(access_log_class=AccessLogger)
    async with TestClient(server) as client:
        yield Public(client, store, tmp_path)
    await realtime.aclose()
    await store.aclose()


@pytest.mark.parametrize(
    ("path", "page"),
    [
        ("/?convId=a&pwd=123456", "requester"),
        ("/agent?convId=a&token=t", "agent"),
        (f"/private/{'0' * 32}/{'f' * 32}", "meeting"),
    ],
)
async def test_pages_are_served_and_never_kept(public: Public, path: str, page: str) -> None:
    response = await public.client.get(path)
    assert response.status == 200
    assert f"<title>{page}</title>" in await response.text()
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    assert response.headers["Cache-Control"] == "no-store"


async def test_every_answer_carries_the_security_headers(public: Public) -> None:
    for path in ("/", "/assets/main-ABC.js", "/no/such/page", "/media/showVideo/1/hash/x", "/socket.io/"):
        response = await public.client.get(path)
        headers = response.headers
        assert "default-src 'none'" in headers["Content-Security-Policy"], path
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Robots-Tag"].startswith("noindex")
        assert "camera=(self)" in headers["Permissions-Policy"]
        assert "Server" not in headers
        assert "X-Frame-Options" not in headers


def test_the_policy_allows_ourselves_and_the_listed_embedders_only() -> None:
    policy = content_security_policy("https://host:8443", ["https://tickets.example"])
    directives = dict(part.split(" ", 1) for part in policy.split("; "))
    assert directives["script-src"] == "'self'"
    assert directives["style-src"] == "'self'"
    assert directives["connect-src"] == "'self' wss://host:8443"
    assert directives["frame-ancestors"] == "'self' https://tickets.example"
    assert directives["base-uri"] == directives["form-action"] == "'none'"
    assert "unsafe" not in policy and "*" not in policy


async def test_assets_are_kept_for_ever_and_compressed(public: Public) -> None:
    response = await public.client.get("/assets/main-ABC.js", headers={"Accept-Encoding": "gzip"})
    assert response.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert response.headers["Content-Encoding"] == "gzip"
    assert response.headers["Content-Type"].startswith("text/javascript")
    plain = await public.client.get("/assets/main-ABC.js", headers={"Accept-Encoding": "identity"})
    assert "Content-Encoding" not in plain.headers
    assert await plain.text() == await response.text()


@pytest.mark.parametrize(
    "path",
    [
        "/assets/../secret.txt",
        "/assets/..%2fsecret.txt",
        "/assets/%2e%2e%2fsecret.txt",
        "/manifest.json",
        "/requester.html",
        "/private/x/y",
        f"/private/{'0' * 32}/{'F' * 32}",
        "/internal/v1/rooms",
        "/healthz",
        "/metrics",
    ],
)
async def test_nothing_else_is_served(public: Public, path: str) -> None:
    assert (await public.client.get(path)).status == 404


async def test_pages_take_no_other_method(public: Public) -> None:
    for method in ("POST", "PUT", "DELETE"):
        assert (await public.client.request(method, "/")).status == 405


async def test_without_a_build_pages_say_so(tmp_path: Path) -> None:
    with capture_logs() as logs:
        client = WebClient(tmp_path)
    assert logs[0]["event"] == "web_client_not_built"
    assert client


async def test_a_signed_link_opens_its_medium(public: Public) -> None:
    media_hash = await public.add(path="photos/2026/one.jpg", filename="diag_snapshot_1.jpg")
    response = await public.client.get(public.path(media_hash))
    assert response.status == 200
    assert await response.read() == PHOTO
    assert response.headers["Content-Type"] == "image/jpeg"
    assert response.headers["Content-Disposition"] == 'inline; filename="diag_snapshot_1.jpg"'
    assert response.headers["Cache-Control"] == "private, no-store"
    assert "sandbox" in response.headers["Content-Security-Policy"]
    download = await public.client.get(public.path(media_hash) + "&download")
    assert download.headers["Content-Disposition"].startswith("attachment")
    head = await public.client.head(public.path(media_hash))
    assert (head.status, head.headers["Content-Length"]) == (200, str(len(PHOTO)))


@pytest.mark.parametrize(
    ("wanted", "status", "start", "end"),
    [
        ("bytes=0-9", 206, 0, 10),
        ("bytes=100-", 206, 100, 2560),
        ("bytes=-5", 206, 2555, 2560),
        ("bytes=2559-9999", 206, 2559, 2560),
        ("bytes=2560-", 416, 0, 0),
    ],
)
async def test_parts_of_a_medium(public: Public, wanted: str, status: int, start: int, end: int) -> None:
    media_hash = await public.add(path="photos/2026/one.jpg")
    response = await public.client.get(public.path(media_hash), headers={"Range": wanted})
    assert response.status == status
    if status == 206:
        assert await response.read() == PHOTO[start:end]
        assert response.headers["Content-Range"] == f"bytes {start}-{end - 1}/{len(PHOTO)}"
        assert response.headers["Accept-Ranges"] == "bytes"


async def test_without_a_valid_signature_there_is_nothing_to_learn(public: Public) -> None:
    media_hash = await public.add(path="photos/2026/one.jpg")
    good = public.path(media_hash)
    bare = good.partition("?")[0]
    for path in (
        bare,
        good[:-1],
        good.replace("exp=", "exp=9"),
        public.path("unknown").replace("unknown", media_hash),
        bare.replace(media_hash, "unknown"),
        bare + "?exp=x&sig=y",
        good.replace("/1/", "/2/"),
    ):
        assert (await public.client.get(path)).status == 403, path


async def test_the_api_key_opens_media_too(public: Public) -> None:
    media_hash = await public.add(path="photos/2026/one.jpg")
    bare = public.path(media_hash).partition("?")[0]
    for key, status in ((API_KEY, 200), (API_KEY[:-1], 403), ("", 403), ("é", 403)):
        response = await public.client.get(bare, headers={"Authorization": f"Bearer {key}"})
        assert response.status == status


async def test_media_that_are_not_there(public: Public) -> None:
    (public.directory / "photos" / "2026" / "link.jpg").symlink_to(public.directory / "secret.txt")
    for path in (
        "photos/2026/gone.jpg",
        "photos/../secret.txt",
        "photos/2026/link.jpg",
        "photos/2026",
        "other/one.jpg",
        str(public.directory / "secret.txt"),
    ):
        media_hash = await public.add(path=path)
        assert (await public.client.get(public.path(media_hash))).status == 404, path
    waiting = await public.add(path=None, status="processing", type="video/mp4")
    assert (await public.client.get(public.path(waiting))).status == 404
    deleted = await public.add(path="photos/2026/one.jpg", status="deleted")
    assert (await public.client.get(public.path(deleted))).status == 404
    other = await public.add(path="photos/2026/one.jpg")
    assert (await public.client.get(public.path(other, enterprise=2))).status == 404
    assert (await public.client.get(public.path("no-such-hash"))).status == 404


async def test_the_access_log_holds_no_address(public: Public) -> None:
    room = f"/private/{'0' * 32}/{'f' * 32}"
    media_hash = await public.add(path="photos/2026/one.jpg")
    with capture_logs() as logs:
        for path in ("/?convId=canary&pwd=123456", room, public.path(media_hash), "/nowhere?x=canary"):
            await public.client.get(path)
        async with asyncio.timeout(5):
            while len(logs) < 4:  # the line is written after the answer
                await asyncio.sleep(0)
    text = json.dumps(logs)
    assert [entry["status"] for entry in logs] == [200, 200, 200, 404]
    for secret in ("canary", "123456", "f" * 32, "sig", media_hash):
        assert secret not in text
    assert logs[0]["route"] == "/"
