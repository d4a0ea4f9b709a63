"""Security headers of every public answer.

The policy of pages (Content Security Policy 3): scripts, styles and connections from ourselves only, media
from the page itself, no plugins, no base, no forms. Framing is for the origins that the operator lists, and
the powerful features that a framed page needs are passed on by the embedder (`allow="…"`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from aiohttp import web

PERMISSIONS_POLICY = (
    "camera=(self), microphone=(self), geolocation=(self), display-capture=(self), "
    "screen-wake-lock=(self), fullscreen=(self), autoplay=(self)"
)
ROBOTS = "noindex, nofollow, noarchive"


def content_security_policy(public_url: str, frame_ancestors: Sequence[str]) -> str:
    """The policy of our pages.

    Args:
        public_url: origin of the public listener.
        frame_ancestors: origins that may frame the pages; nobody else may, but the pages' own origin.
    """
    # 'self' does not cover WebSocket in every browser that is in use (Safari before 15.4).
    websocket = public_url.replace("http", "ws", 1)
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            f"connect-src 'self' {websocket}",
            "img-src 'self' blob: data:",
            "media-src 'self' blob:",
            "font-src 'self'",
            "manifest-src 'self'",
            " ".join(("frame-ancestors 'self'", *frame_ancestors)),
            "base-uri 'none'",
            "form-action 'none'",
        )
    )


def security_headers(policy: str) -> Callable[[web.Request, web.StreamResponse], Awaitable[None]]:
    """For `on_response_prepare`: puts the headers on everything, errors included."""

    async def add(_request: web.Request, response: web.StreamResponse) -> None:
        headers = response.headers
        headers.popall("Server", None)
        headers.setdefault("Content-Security-Policy", policy)
        headers.setdefault("Referrer-Policy", "no-referrer")
        headers.setdefault("X-Content-Type-Options", "nosniff")
        headers.setdefault("X-Robots-Tag", ROBOTS)
        headers.setdefault("Permissions-Policy", PERMISSIONS_POLICY)
        headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        headers.setdefault("Cache-Control", "no-store")

    return add
