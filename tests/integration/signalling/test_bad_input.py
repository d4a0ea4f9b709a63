"""Bad input during a call: each gets its code or has no effect, and the call goes on."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from aiortc import RTCPeerConnection
from aiortc.mediastreams import AudioStreamTrack

from tests.support.raw_socketio import raw_client
from tests.support.server import SightlineServer
from tests.support.session_peer import (
    CONSENT,
    RefusedError,
    SessionPeer,
    call_of_two,
    peer,
    requester,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

Call = tuple[SessionPeer, SessionPeer]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def call(server: SightlineServer) -> AsyncIterator[Call]:
    room = await server.create_room()
    async with call_of_two(server.public_url, room) as peers:
        yield peers


async def assert_goes_on(call: Call) -> None:
    """Both see and hear each other, from now on too."""
    for someone in call:
        assert someone.connected
        before = dict(someone.frames)
        await someone.until(
            lambda before=before, someone=someone: all(  # type: ignore[misc]
                someone.frames[kind] > count + 5 for kind, count in before.items()
            ),
            20,
            "media goes on",
        )


async def code_of(someone: SessionPeer, offer: dict[str, Any]) -> str:
    with pytest.raises(RefusedError) as refused:
        await someone.call("negotiate", offer)
    return refused.value.code


def offer(sdp: str, publications: Any = (), subscriptions: Any = ()) -> dict[str, Any]:
    return {"sdp": sdp, "publications": list(publications), "subscriptions": list(subscriptions)}


async def test_offers_that_cannot_be_answered(call: Call) -> None:
    customer, _ = call
    pc = RTCPeerConnection()
    pc.addTransceiver(AudioStreamTrack(), direction="sendonly")
    await pc.setLocalDescription(await pc.createOffer())
    good = pc.localDescription.sdp
    await pc.close()
    microphone = [{"mid": "0", "source": "microphone"}]
    for garbage in (
        "x",
        "v=0\r\n",
        "\0" * 1000,
        "m=" * 10_000,
        good[: len(good) // 2],
        good.replace("a=", "b="),
    ):
        assert await code_of(customer, offer(garbage, microphone)) == "bad_sdp"
    unheard_of = good.replace("opus/48000", "speex/48000").replace("PCMU/", "X/").replace("PCMA/", "Y/")
    unheard_of = unheard_of.replace("G722/", "Z/")
    assert await code_of(customer, offer(unheard_of, microphone)) == "no_common_codec"
    nothing = [{"mid": "0", "trackId": "no-such-track"}]
    assert (
        await code_of(customer, offer(good.replace("sendonly", "recvonly"), (), nothing)) == "unknown_track"
    )
    await assert_goes_on(call)


async def test_mutated_offers_are_answered_or_refused(call: Call) -> None:
    customer, _ = call
    chance = random.Random(7)
    pc = RTCPeerConnection()
    pc.addTransceiver(AudioStreamTrack(), direction="sendonly")
    await pc.setLocalDescription(await pc.createOffer())
    lines = pc.localDescription.sdp.split("\r\n")
    await pc.close()
    documented = {"bad_sdp", "no_common_codec", "unknown_track", "connection_lost"}
    for _ in range(60):
        mutated = list(lines)
        for _ in range(chance.randrange(1, 4)):
            at = chance.randrange(len(mutated))
            line = mutated[at]
            mutated[at] = chance.choice(
                [line[: len(line) // 2], line * 2, line.replace("1", "999999999"), ""]
            )
        # Nothing is published: a mutated offer that can be read would replace the call's connection.
        mutated = [line for line in mutated if "fingerprint" not in line]
        assert await code_of(customer, offer("\r\n".join(mutated))) in documented
        await asyncio.sleep(0.025)  # within the limit of events
    await assert_goes_on(call)


async def test_junk_at_the_media_port(server: SightlineServer, call: Call) -> None:
    chance = random.Random(3)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.connect(("127.0.0.1", server.media_port))
        for length in (0, 0, 0, 1, 2, 12, 20, 28, 100, 1500, 60_000):
            stranger.send(chance.randbytes(length))
        for first in range(256):
            stranger.send(bytes([first]) + chance.randbytes(40))
    await assert_goes_on(call)


async def test_a_flooding_stranger_does_not_hurt_the_call(server: SightlineServer, call: Call) -> None:
    async with raw_client(server.public_url) as flooder:
        for n in range(5000):
            await flooder.send(f'42{n}["join",{{"convId":"x"}}]')
        await flooder.frames_until_closed(20)
    await assert_goes_on(call)


async def test_a_flooding_participant_ends_only_itself(server: SightlineServer, call: Call) -> None:
    room = await server.create_room()
    async with peer(server.public_url) as customer:
        await customer.join(requester(room), consent=CONSENT)
        for _ in range(3000):
            with contextlib.suppress(Exception):
                await customer._socket.emit("mute", {"trackId": "x", "muted": True})
        await customer.until(lambda: not customer.connected, 20)
        assert customer.named("error")[0]["code"] == "rate_limited"
    await assert_goes_on(call)


async def test_guessing_passwords_from_many_sockets(server: SightlineServer, call: Call) -> None:
    """All sockets share one address here: five guesses are looked at, however many are made."""
    room = await server.create_room()
    codes: list[str] = []

    async def guess(worker: int) -> None:
        for n in range(5):
            pwd = f"{(int(room['pwd']) + 1 + worker * 100 + n) % 1_000_000:06d}"
            async with raw_client(server.public_url) as client:
                answer = await client.call("lookup", {"convId": room["convId"], "pwd": pwd}, 30)
                codes.append(answer["error"]["code"])

    await asyncio.gather(*(guess(worker) for worker in range(20)))
    assert len(codes) == 100
    assert codes.count("access_denied") == 4
    assert codes.count("locked") == 96
    await assert_goes_on(call)


async def test_idle_sockets_do_not_keep_others_out(server: SightlineServer, call: Call) -> None:
    """They fill the address's share, and that of the call's people is theirs already."""
    async with contextlib.AsyncExitStack() as stack:
        opened = 0
        with contextlib.suppress(Exception):
            for _ in range(100):
                await stack.enter_async_context(raw_client(server.public_url))
                opened += 1
        assert 40 <= opened < 64
        await assert_goes_on(call)
