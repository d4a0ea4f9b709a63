"""One RTCPeerConnection of a participant, as the server has it: the encrypted path, the RTP session on
it, and what each m-section carries.

Sections keep their identity over re-offers: what did not change is not touched, so that an offer that
adds a section does not disturb the others.
"""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import structlog

from mediaserver.clock import now_us
from mediaserver.context import ServerContext
from mediaserver.sdp import AnswerSection, Negotiation, Offer, Subscription, render_answer
from mediaserver.sfu.down_track import DownTrack
from mediaserver.sfu.interfaces import ConnectionState, Downlink, PublishedTrack, TrackSource, Uplink
from mediaserver.sfu.session import RtpSession
from mediaserver.sfu.track import Track
from mediaserver.transport import (
    Fingerprint,
    LocalParameters,
    MediaTransport,
    RemoteParameters,
    TransportStats,
)

log = structlog.get_logger()


@dataclass(slots=True)
class _Published:
    uplink: Uplink
    source: TrackSource
    track: Track


@dataclass(slots=True)
class _Subscribed:
    subscription: Subscription
    downlink: Downlink
    down: DownTrack


@dataclass(frozen=True, slots=True)
class ConnectionIdentity:
    """What tells one RTCPeerConnection from the next.

    The certificate does, but for clients that keep one for several connections. Those show a new session
    identifier along with new ICE credentials; browsers change only the latter (ICE restart), aiortc only
    the former (with every offer).
    """

    fingerprints: frozenset[Fingerprint]
    session_id: str
    """Of its first offer."""
    ufrag: str
    """Of its last offer."""

    def matches(self, offer: Offer) -> bool:
        """True if `offer` comes from this connection."""
        if not self.fingerprints & offer.fingerprints:
            return False
        return offer.session_id == self.session_id or self.ufrag in offer.ufrags


class Connection:
    """Between `start` and `aclose`. It ends by itself when the peer leaves or falls silent; `on_state`
    then gets `closed`, and `aclose` is still to be called."""

    def __init__(
        self,
        context: ServerContext,
        participant_id: str,
        offer: Offer,
        remote: RemoteParameters,
        on_state: Callable[[Connection, ConnectionState], None],
    ) -> None:
        """
        Args:
            offer: the first one.
            remote: the client's side of the transport, from that offer.
            on_state: called with the connection and each new state.
        """
        self._context = context
        self._participant_id = participant_id
        self._on_state = on_state
        self._offer_session_id = offer.session_id
        self._transport = MediaTransport(
            context.port, context.identity, remote, context.limits, name=participant_id
        )
        self._rtp = RtpSession(self._transport, cname=participant_id)
        self._published: dict[str, _Published] = {}
        self._subscribed: dict[str, _Subscribed] = {}
        self._session_id = secrets.randbits(62)
        self._session_version = 0
        self._rtp_connected = False
        self._rtp_closed = False

    @property
    def state(self) -> ConnectionState:
        return self._transport.state

    @property
    def tracks(self) -> tuple[Track, ...]:
        """Published on this connection."""
        return tuple(published.track for published in self._published.values())

    @property
    def transport_stats(self) -> TransportStats:
        return self._transport.stats

    @property
    def rtp(self) -> RtpSession:
        """The RTP layer, for its statistics."""
        return self._rtp

    @property
    def identity(self) -> ConnectionIdentity:
        remote = self._transport.remote
        return ConnectionIdentity(remote.fingerprints, self._offer_session_id, remote.ice.ufrag)

    def start(self) -> None:
        """Become reachable."""
        self._transport.start(self._rtp, self._state_changed)
        self._context.add_timed(self)

    def subscription(self, mid: str, track: PublishedTrack) -> Subscription:
        """How section `mid` would carry `track`: as it does already, or under new SSRCs."""
        current = self._subscribed.get(mid)
        if current is not None and current.subscription.track_id == track.track_id:
            return current.subscription
        taken = {s.downlink.ssrc for s in self._subscribed.values()}
        taken |= {s.downlink.rtx_ssrc for s in self._subscribed.values()}
        return make_subscription(track, taken)

    def apply(self, negotiation: Negotiation, tracks: Mapping[str, Track]) -> tuple[list[Track], list[Track]]:
        """Make the sections carry what was negotiated.

        Args:
            tracks: the room's, by identifier.
        Returns:
            The tracks that are new, and those that ended.
        """
        ice = negotiation.remote.ice
        if ice != self._transport.remote.ice:
            self._transport.restart_ice(ice)
            log.info("ice_restarted", participant_id=self._participant_id)
        added: list[Track] = []
        ended: list[Track] = []
        sections = {section.offered.mid: section for section in negotiation.sections}
        for mid in self._published.keys() - sections.keys():
            ended.append(self._unpublish(mid))
        for mid in self._subscribed.keys() - sections.keys():
            self._unsubscribe(mid)
        for mid, section in sections.items():
            published = self._published.get(mid)
            if published is not None and not _continues(published, section):
                ended.append(self._unpublish(mid))
                published = None
            if published is None and section.uplink is not None and section.source is not None:
                added.append(self._publish(mid, section.uplink, section.source))
            self._apply_subscription(mid, section, tracks)
        return added, ended

    def answer(self, negotiation: Negotiation) -> str:
        """The answer that goes with `negotiation`, after `apply`."""
        self._session_version += 1
        local = LocalParameters(
            ice=self._transport.local_ice,
            fingerprint=self._context.identity.fingerprint,
            addresses=self._context.addresses,
            port=self._context.port.port,
        )
        return render_answer(
            negotiation, local, session_id=self._session_id, session_version=self._session_version
        )

    def forget(self, track_id: str) -> None:
        """A track of somebody else has ended, and with it the down tracks made from it."""
        for mid, subscribed in list(self._subscribed.items()):
            if subscribed.subscription.track_id == track_id:
                self._unsubscribe(mid)

    def on_timer(self, now_us: int) -> None:
        """Every 20 ms: liveness, then what RTCP wants to say. A failure ends this connection, and leaves
        the others alone."""
        try:
            self._transport.on_timer(now_us)
            self._rtp.on_timer(now_us)
        except Exception:
            log.exception("timer_failed", participant_id=self._participant_id)
            self._transport.end("internal")

    def close(self) -> None:
        """End all tracks and the RTP session, at once. May be called again."""
        self._context.remove_timed(self)
        if not self._rtp_closed:
            self._rtp_closed = True
            self._published.clear()
            self._subscribed.clear()
            self._rtp.close()

    async def aclose(self) -> None:
        """`close`, then say goodbye to the peer and wait until nothing of the connection runs."""
        self.close()
        await self._transport.aclose()

    def _publish(self, mid: str, uplink: Uplink, source: TrackSource) -> Track:
        track = self._rtp.publish(
            uplink, track_id=str(uuid.uuid4()), participant_id=self._participant_id, source=source
        )
        self._published[mid] = _Published(uplink, source, track)
        return track

    def _unpublish(self, mid: str) -> Track:
        track = self._published.pop(mid).track
        self._rtp.unpublish(track)
        return track

    def _apply_subscription(self, mid: str, section: AnswerSection, tracks: Mapping[str, Track]) -> None:
        wanted, downlink = section.subscription, section.downlink
        current = self._subscribed.get(mid)
        if current is not None:
            if wanted == current.subscription and downlink == current.downlink:
                return
            self._unsubscribe(mid)
        if wanted is None or downlink is None:
            return
        track = tracks.get(wanted.track_id)
        if track is None:
            return  # our own, ended by the same offer
        self._subscribed[mid] = _Subscribed(wanted, downlink, self._rtp.subscribe(downlink, track))

    def _unsubscribe(self, mid: str) -> None:
        self._rtp.unsubscribe(self._subscribed.pop(mid).down)

    def _state_changed(self, state: ConnectionState) -> None:
        if state == "connected" and not self._rtp_connected:
            self._rtp_connected = True
            self._rtp.on_connected(now_us())
        self._on_state(self, state)


def make_subscription(track: PublishedTrack, taken: set[int]) -> Subscription:
    """A subscription to `track` under two random SSRCs that are not in `taken`."""
    ssrcs: list[int] = []
    while len(ssrcs) < 2:
        ssrc = secrets.randbits(32)
        if ssrc and ssrc not in taken and ssrc not in ssrcs:
            ssrcs.append(ssrc)
    return Subscription(track.track_id, track.participant_id, track.codec, *ssrcs)


def _continues(published: _Published, section: AnswerSection) -> bool:
    """True if the section goes on carrying the same track. With the MID header extension new SSRCs are
    recognised by what they carry, so declaring them anew changes nothing."""
    uplink = section.uplink
    if uplink is None or section.source != published.source:
        return False
    if uplink.extensions.mid is not None:
        old = published.uplink
        uplink = replace(uplink, ssrcs=old.ssrcs, rtx_ssrcs=old.rtx_ssrcs, cname=old.cname)
    return uplink == published.uplink
