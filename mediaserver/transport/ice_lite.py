"""The ICE-lite side of one connection: RFC 8445 for an agent that has public host candidates only.

Pure state: requests and times go in, verdicts come out. It answers checks and sends none; the peer is
always the controlling side. What it decides is which addresses belong to the peer, and where to send.

Where to send:

- The first verified address is used until the peer nominates one.
- While the connection is set up, the nominated address of highest priority wins: Firefox nominates
  every pair that works and expects that order.
- Later the peer nominates again because it moves (Wi-Fi to mobile), often to an address of lower
  priority. That one wins as soon as nothing comes from the old address any more.
- An ICE restart keeps all this going on the old credentials until a pair of the new ones is nominated.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from mediaserver.transport.parameters import IceCredentials
from mediaserver.transport.stun import BindingRequest

from . import stun

Address = tuple[str, int] | tuple[str, int, int, int]
"""A socket address as `recvfrom` gives it: two parts for IPv4, four for IPv6."""

MAX_ADDRESSES = 16
"""Verified addresses remembered per connection; the one unheard for longest makes room."""
MAX_TRANSACTIONS = 128
SILENT_AFTER_US = 500_000
"""Nothing from the selected address for so long: a worse nominated one takes over."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do about one authenticated request."""

    reply: bytes
    verified: bool = False
    """The source belongs to the peer; it may not have been known before."""
    forgotten: Address | None = None
    """An address that no longer belongs to the peer."""
    retired_ufrag: str | None = None
    """A local user name fragment that is out of use now: an ICE restart was completed."""


@dataclass(slots=True)
class _Pair:
    last_heard_us: int
    priority: int = 0
    nominated: bool = False


@dataclass(slots=True)
class _Generation:
    local: IceCredentials
    remote_ufrag: str
    local_key: bytes = field(init=False)

    def __post_init__(self) -> None:
        self.local_key = self.local.password.encode()


class IceLite:
    """State of one connection. `selected`: where to send, None before the first verified request."""

    def __init__(self, local: IceCredentials, remote_ufrag: str) -> None:
        self._proven = _Generation(local, remote_ufrag)
        self._restarting: _Generation | None = None
        self._pairs: dict[Address, _Pair] = {}
        self._transactions: dict[bytes, Address] = {}
        self._settled = False
        self._selected_nominated = False
        self.selected: Address | None = None

    @property
    def local(self) -> IceCredentials:
        """Our newest credentials: what an answer carries."""
        return (self._restarting or self._proven).local

    @property
    def remote_ufrag(self) -> str:
        """The user name fragment of the newest offer."""
        return (self._restarting or self._proven).remote_ufrag

    @property
    def local_ufrags(self) -> tuple[str, ...]:
        """Every local user name fragment that requests may come with now."""
        generations = (self._proven, self._restarting)
        return tuple(generation.local.ufrag for generation in generations if generation is not None)

    @property
    def addresses(self) -> tuple[Address, ...]:
        """Every verified address."""
        return tuple(self._pairs)

    def restart(self, local: IceCredentials, remote_ufrag: str) -> str | None:
        """Begin an ICE restart. Media stays on the selected pair until a new one is nominated.

        Returns:
            The user name fragment of a former restart that this one overtakes, if any.
        """
        overtaken = self._restarting
        self._restarting = _Generation(local, remote_ufrag)
        return overtaken.local.ufrag if overtaken is not None else None

    def settle(self) -> None:
        """The connection is set up: from now on nominations mean that the peer moves."""
        self._settled = True

    def on_request(self, request: BindingRequest, source: Address, now_us: int) -> Verdict | None:
        """Judge a Binding request that carries one of our user name fragments.

        Returns:
            None if the request is to be dropped without an answer: wrong password, user name of
            nobody we know, or a copy of a request that another address sent.
        """
        generation = self._authenticate(request)
        if generation is None or not self._remember_transaction(request.transaction_id, source):
            return None
        key = generation.local_key
        if request.unknown_attributes:
            return Verdict(
                stun.unknown_attributes_response(request.transaction_id, request.unknown_attributes, key)
            )
        if request.ice_controlled:
            return Verdict(stun.role_conflict_response(request.transaction_id, key))

        forgotten = self._hear(source, request.priority, now_us)
        retired = None
        if request.use_candidate:
            if generation is self._restarting:
                retired = self._complete_restart(generation)
            self._nominate(source, now_us)
        elif self.selected is None:
            self.selected = source
        reply = stun.success_response(request.transaction_id, (source[0], source[1]), key)
        return Verdict(reply, verified=True, forgotten=forgotten, retired_ufrag=retired)

    def on_media(self, source: Address, now_us: int) -> None:
        """An authenticated packet came from a verified address: the peer sends from where it wants to
        be reached, so a nominated address takes over from one that fell silent."""
        pair = self._pairs.get(source)
        if pair is None:
            return
        pair.last_heard_us = now_us
        if source != self.selected and pair.nominated and self._selected_is_silent(now_us):
            self._select(source)

    def last_heard_us(self, source: Address) -> int | None:
        """When something authenticated last came from `source`, None if it is not the peer's."""
        pair = self._pairs.get(source)
        return pair.last_heard_us if pair is not None else None

    def _authenticate(self, request: BindingRequest) -> _Generation | None:
        for generation in (self._restarting, self._proven):
            if (
                generation is not None
                and request.local_ufrag == generation.local.ufrag.encode()
                and request.remote_ufrag == generation.remote_ufrag.encode()
            ):
                return generation if request.verify(generation.local_key) else None
        return None

    def _remember_transaction(self, transaction_id: bytes, source: Address) -> bool:
        """MESSAGE-INTEGRITY does not cover the source address: without this, a captured request could
        be sent again from elsewhere to pull the media there."""
        first_source = self._transactions.setdefault(transaction_id, source)
        if len(self._transactions) > MAX_TRANSACTIONS:
            del self._transactions[next(iter(self._transactions))]
        return first_source == source

    def _hear(self, source: Address, priority: int, now_us: int) -> Address | None:
        pair = self._pairs.get(source)
        if pair is not None:
            pair.last_heard_us = now_us
            pair.priority = priority
            return None
        self._pairs[source] = _Pair(now_us, priority)
        if len(self._pairs) <= MAX_ADDRESSES:
            return None
        others = [address for address in self._pairs if address not in (self.selected, source)]
        oldest = min(others, key=lambda address: self._pairs[address].last_heard_us)
        del self._pairs[oldest]
        return oldest

    def _nominate(self, source: Address, now_us: int) -> None:
        pair = self._pairs[source]
        pair.nominated = True
        if source == self.selected:
            self._selected_nominated = True
        elif not self._selected_nominated or self.selected is None:
            self._select(source)
        else:
            better = pair.priority - self._pairs[self.selected].priority
            moved = self._settled and (better == 0 or self._selected_is_silent(now_us))
            if better > 0 or moved:
                self._select(source)

    def _select(self, source: Address) -> None:
        self.selected = source
        self._selected_nominated = True

    def _selected_is_silent(self, now_us: int) -> bool:
        if self.selected is None:
            return True
        return now_us - self._pairs[self.selected].last_heard_us > SILENT_AFTER_US

    def _complete_restart(self, generation: _Generation) -> str:
        retired = self._proven.local.ufrag
        self._proven, self._restarting = generation, None
        for pair in self._pairs.values():
            pair.nominated = False
        self._selected_nominated = False
        return retired
