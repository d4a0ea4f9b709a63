"""The public application: everything that a browser can ask for."""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import web

from signalling.public.headers import content_security_policy, security_headers
from signalling.public.media import MediaFiles
from signalling.public.pages import WebClient
from signalling.realtime.server import RealtimeServer


def make_public_app(
    *,
    realtime: RealtimeServer,
    media: MediaFiles,
    web_client: WebClient,
    public_url: str,
    frame_ancestors: Sequence[str],
) -> web.Application:
    policy = content_security_policy(public_url, frame_ancestors)
    app = web.Application(client_max_size=64 * 1024)
    app.on_response_prepare.append(security_headers(policy))
    web_client.attach(app)
    media.attach(app)
    realtime.attach(app)
    return app
