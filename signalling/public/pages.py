"""The pages and the built web client, served from memory.

The build (`signalling/web/dist`) is small and its file names carry the hash of their content, so assets are
read once at start, compressed once, and may be kept by browsers for ever. Pages are never kept: the address
they were opened with holds credentials. A GET changes nothing and looks at no credential: link scanners and
previews open invitation links, and only what the page's script then asks counts.
"""

from __future__ import annotations

import gzip
import mimetypes
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import structlog
from aiohttp import web

log = structlog.get_logger()

WEB_CLIENT = Path(__file__).parent.parent / "web" / "dist"
PAGES = {
    "/": "requester.html",
    "/agent": "agent.html",
    r"/private/{first:[0-9a-f]{32}}/{second:[0-9a-f]{32}}": "meeting.html",
}
IMMUTABLE = "public, max-age=31536000, immutable"
_COMPRESSIBLE = ("text/", "application/javascript", "application/json", "image/svg+xml")


@dataclass(frozen=True, slots=True)
class _File:
    body: bytes
    compressed: bytes | None
    content_type: str

    @classmethod
    def read(cls, path: Path) -> _File:
        body = path.read_bytes()
        content_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        compressed = gzip.compress(body, mtime=0) if content_type.startswith(_COMPRESSIBLE) else None
        return cls(body, compressed, content_type)

    def response(self, request: web.Request, cache_control: str) -> web.Response:
        headers = {"Cache-Control": cache_control, "Vary": "Accept-Encoding"}
        body = self.body
        if self.compressed is not None and "gzip" in request.headers.get("Accept-Encoding", ""):
            headers["Content-Encoding"] = "gzip"
            body = self.compressed
        charset = "utf-8" if self.content_type.startswith("text/") else None
        return web.Response(body=body, headers=headers, content_type=self.content_type, charset=charset)


class WebClient:
    """Routes of the pages and their assets."""

    def __init__(self, directory: Path = WEB_CLIENT) -> None:
        """Read the build. Where there is none (`./run build` makes it), pages answer 503."""
        self._pages = {
            name: _File.read(directory / name) for name in PAGES.values() if (directory / name).is_file()
        }
        assets = directory / "assets"
        self._assets = (
            {path.name: _File.read(path) for path in assets.iterdir() if path.is_file()}
            if assets.is_dir()
            else {}
        )
        if len(self._pages) < len(PAGES):
            log.warning("web_client_not_built", directory=str(directory))

    def attach(self, app: web.Application) -> None:
        for path, name in PAGES.items():
            app.router.add_get(path, partial(self._page, name))
        app.router.add_get("/assets/{name}", self._asset)
        app.router.add_get("/robots.txt", self._robots)

    async def _page(self, name: str, request: web.Request) -> web.Response:
        page = self._pages.get(name)
        if page is None:
            raise web.HTTPServiceUnavailable(text="The web client is not built.")
        return page.response(request, "no-store")

    async def _asset(self, request: web.Request) -> web.Response:
        asset = self._assets.get(request.match_info["name"])
        if asset is None:
            raise web.HTTPNotFound
        return asset.response(request, IMMUTABLE)

    async def _robots(self, _request: web.Request) -> web.Response:
        return web.Response(text="User-agent: *\nDisallow: /\n")
