"""Signed media: photos and composites, with HTTP Range (RFC 9110, section 14).

A link carries an expiry and a signature; the internal API's key opens media too. Without either the answer
is 403, whether the medium exists or not. The path on disk comes from the catalogue, never from the request.
"""

from __future__ import annotations

import hmac

from aiohttp import web

from signalling.access.tokens import MediaLinks
from signalling.rooms.library import Library
from signalling.store import Store
from signalling.store.records import FETCHABLE


class MediaFiles:
    """The route of `/media/showVideo/<enterprise id>/hash/<hash>`."""

    def __init__(self, *, store: Store, links: MediaLinks, library: Library, api_key: str) -> None:
        self._store = store
        self._links = links
        self._library = library
        self._authorization = f"Bearer {api_key}".encode()

    def attach(self, app: web.Application) -> None:
        app.router.add_get(r"/media/showVideo/{enterprise}/hash/{hash}", self._get)

    async def _get(self, request: web.Request) -> web.StreamResponse:
        enterprise, media_hash = request.match_info["enterprise"], request.match_info["hash"]
        if not self._allowed(request, enterprise, media_hash):
            raise web.HTTPForbidden(text="This link is not valid, or no longer.")
        async with self._store.read() as tx:
            media = await tx.medias.by_hash(media_hash)
            room = None if media is None else await tx.rooms.by_id(media.room_id)
        if media is None or room is None or str(room.enterprise) != enterprise:
            raise web.HTTPNotFound
        if media.status not in FETCHABLE or media.path is None:
            raise web.HTTPNotFound(text="This recording is not ready yet.")
        file = self._library.file(media.path)
        if file is None:
            raise web.HTTPNotFound
        disposition = "attachment" if "download" in request.query else "inline"
        return web.FileResponse(
            file,
            headers={
                "Content-Type": media.type,
                "Content-Disposition": f'{disposition}; filename="{media.filename}"',
                "Content-Security-Policy": "default-src 'none'; sandbox",
                "Cache-Control": "private, no-store",
            },
        )

    def _allowed(self, request: web.Request, enterprise: str, media_hash: str) -> bool:
        given = request.headers.get("Authorization", "").encode()
        if hmac.compare_digest(given, self._authorization):
            return True
        return self._links.allows(
            enterprise, media_hash, request.query.get("exp", ""), request.query.get("sig", "")
        )
