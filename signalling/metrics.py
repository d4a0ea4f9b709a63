"""Gauges of what runs now, read when `/metrics` is asked for."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Gauge

from mediaserver.server import MediaServer
from signalling.realtime.server import RealtimeServer


def live_gauges(registry: CollectorRegistry, realtime: RealtimeServer, media_server: MediaServer) -> None:
    """Add the gauges to `registry`. They can be read while the media server runs."""
    gauges: tuple[tuple[str, str, Callable[[], float]], ...] = (
        ("sightline_connections", "Open socket.io connections", lambda: len(realtime)),
        ("sightline_media_connections", "Open media connections", lambda: media_server.stats().connections),
        ("sightline_tracks", "Published tracks", lambda: media_server.stats().tracks),
        (
            "sightline_stray_datagrams",
            "Datagrams at the media port from nobody we know, since start",
            lambda: media_server.stats().port.stray,
        ),
        (
            "sightline_dropped_datagrams",
            "Datagrams that could not be sent at once, since start",
            lambda: media_server.stats().port.send_drops,
        ),
    )
    for name, description, read in gauges:
        Gauge(name, description, registry=registry).set_function(read)
