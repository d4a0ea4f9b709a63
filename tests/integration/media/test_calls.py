"""Whole calls between aiortc clients through a `MediaServer`, in one process."""

from __future__ import annotations

import asyncio
import gc
import re
import socket
from collections.abc import AsyncIterator

import pytest
from aiortc import rtcrtpreceiver, rtcrtpsender
from aiortc.mediastreams import AudioStreamTrack, VideoStreamTrack

from mediaserver.errors import (
    BadSdpError,
    ClosedError,
    ConnectionLostError,
    DuplicateError,
    NoCommonCodecError,
    UnknownTrackError,
)
from mediaserver.room import Room
from mediaserver.server import MediaServer
from tests.support.media_app import AiortcClient, Listener, media_server, until


@pytest.fixture
async def server() -> AsyncIterator[MediaServer]:
    async with media_server() as server:
        yield server


@pytest.fixture
def room(server: MediaServer) -> Room:
    return server.create_room("room")


async def call(room: Room, codec: str) -> tuple[AiortcClient, AiortcClient]:
    """Two clients that send and receive."""
    clients = AiortcClient(room, "first"), AiortcClient(room, "second")
    for client in clients:
        client.publish(AudioStreamTrack())
        client.publish(VideoStreamTrack(), codec)
        await client.negotiate()
    first, second = clients
    first.subscribe(*second.participant.tracks.values())
    second.subscribe(*first.participant.tracks.values())
    await first.negotiate()
    await second.negotiate()
    return clients


@pytest.mark.parametrize("codec", ["video/VP8", "video/H264"])
async def test_two_clients_see_and_hear_each_other(room: Room, codec: str) -> None:
    clients = await call(room, codec)
    for client in clients:
        await until(
            lambda client=client: client.frames["video"] >= 10 and client.frames["audio"] >= 20,
            what=f"{client.frames}",
        )
        assert client.participant.state == "connected"
        assert client.listener.states == ["connecting", "connected"]
        assert {track.kind for track in client.listener.published} == {"audio", "video"}
    names = {track.codec.name for track in room.tracks.values() if track.kind == "video"}
    assert names == {codec.removeprefix("video/")}
    for client in clients:
        await client.close()


async def test_the_server_constructs_no_decoder_or_encoder(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The only codecs in the process are the clients'."""
    made: list[str] = []
    for module, name in ((rtcrtpreceiver, "get_decoder"), (rtcrtpsender, "get_encoder")):
        original = getattr(module, name)

        def counted(codec: object, original: object = original, name: str = name) -> object:
            made.append(name)
            return original(codec)  # type: ignore[operator]

        monkeypatch.setattr(module, name, counted)
    clients = await call(room, "video/VP8")
    await until(lambda: all(min(client.frames.values()) >= 5 for client in clients))
    for client in clients:
        await client.close()
    assert (made.count("get_encoder"), made.count("get_decoder")) == (4, 4)


async def test_leaving_and_closing_leave_nothing_behind(server: MediaServer, room: Room) -> None:
    first, second = await call(room, "video/VP8")
    await until(lambda: second.frames["video"] >= 3)
    await first.close()
    await until(lambda: first.participant.state == "closed")
    assert len(first.listener.unpublished) == 2
    assert {track.participant_id for track in room.tracks.values()} == {"second"}
    stats = second.participant.stats()
    assert stats.rtp is not None and stats.rtp.down_tracks == ()
    assert second.participant._connection is not None
    assert second.participant._connection._subscribed == {}

    await first.participant.aclose()
    await first.participant.aclose()
    assert set(room.participants) == {"second"}
    await room.aclose()
    assert not server.rooms
    await second.close()
    counts = server.stats()
    assert (counts.rooms, counts.participants, counts.connections, counts.tracks) == (0, 0, 0, 0)
    assert server._running.port.table_sizes == (0, 0)
    names = {task.get_name() for task in asyncio.all_tasks()}
    assert not [name for name in names if name.startswith(("transport:", "participant:", "dtls_pump"))]


async def test_closing_the_server_frees_its_port_and_the_collector() -> None:
    async with media_server(host="127.0.0.1") as server:
        AiortcClient(server.create_room("room"), "first")
        port = server.port
        with pytest.raises(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind(("127.0.0.1", port))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", port))
    assert gc.isenabled() and gc.get_freeze_count() == 0
    with pytest.raises(ClosedError):
        server.create_room("late")
    await server.aclose()


async def test_a_call_survives_attacks_on_the_port(server: MediaServer, room: Room) -> None:
    first, second = await call(room, "video/VP8")
    await until(lambda: second.frames["video"] >= 3)
    hello = bytes.fromhex("16fefd0000000000000000003a01000012000000000000012efefd") + bytes(40)
    alert = bytes.fromhex("15fefd00000000000000000002022f")
    stun = bytes.fromhex("000100002112a442") + bytes(12)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        before = dict(second.frames)
        for _ in range(200):
            for datagram in (b"", b"\x00", hello, alert, stun, b"\x80" * 500, b"\xff" * 1400):
                stranger.sendto(datagram, ("127.0.0.1", server.port))
            await asyncio.sleep(0.002)
    await until(lambda: second.frames["video"] > before["video"] + 20)
    assert server.stats().port.stray >= 1000
    for client in (first, second):
        assert client.participant.state == "connected"
        await client.close()


async def test_a_section_is_unpublished_and_used_again(room: Room) -> None:
    client = AiortcClient(room, "first")
    client.publish(VideoStreamTrack())
    await client.negotiate()
    (first_id,) = client.participant.tracks
    offer = client.pc.localDescription.sdp
    intentions = client.intentions()
    await client.participant.negotiate(offer, **intentions)
    assert list(client.participant.tracks) == [first_id], "nothing changed, so the track stays"

    await client.participant.negotiate(offer.replace("a=sendonly", "a=inactive"), **intentions)
    assert not room.tracks
    assert [track.track_id for track in client.listener.unpublished] == [first_id]

    answer = await client.participant.negotiate(offer, **intentions)
    assert "a=recvonly" in answer
    assert len(room.tracks) == 1 and first_id not in room.tracks

    await client.participant.negotiate(offer, publications={"0": "screen"}, subscriptions={})
    (track,) = room.tracks.values()
    assert track.source == "screen", "another source is another track"
    await client.close()


async def test_new_ssrcs_of_a_section_with_mid_are_the_same_track(room: Room) -> None:
    client = AiortcClient(room, "first")
    client.publish(VideoStreamTrack())
    await client.negotiate()
    tracks = dict(room.tracks)
    offer = client.pc.localDescription.sdp
    ssrcs = re.findall("a=ssrc-group:FID (.*) (.*)\r", offer)[0]
    renewed = offer.replace(ssrcs[0], "11111111").replace(ssrcs[1], "22222222")
    await client.participant.negotiate(renewed, **client.intentions())
    assert dict(room.tracks) == tracks
    await client.participant.negotiate(renewed.replace("sdes:mid", "sdes:other"), **client.intentions())
    assert room.tracks.keys() != tracks.keys(), "nothing else would route them"
    await client.close()


async def test_a_reoffer_leaves_subscriptions_alone(room: Room) -> None:
    publisher, viewer = AiortcClient(room, "publisher"), AiortcClient(room, "viewer")
    publisher.publish(VideoStreamTrack())
    await publisher.negotiate()
    viewer.subscribe(*room.tracks.values())
    await viewer.negotiate()
    await until(lambda: viewer.frames["video"] >= 3)

    def sent() -> tuple[int, int]:
        stats = viewer.participant.stats().rtp
        assert stats is not None
        (down,) = stats.down_tracks
        return down.ssrc, down.packets

    ssrc, packets = sent()
    await viewer.negotiate()
    assert sent()[0] == ssrc and sent()[1] >= packets
    for client in (publisher, viewer):
        await client.close()


async def test_a_section_can_switch_to_another_track(room: Room) -> None:
    publishers = [AiortcClient(room, name) for name in ("first", "second")]
    for publisher in publishers:
        publisher.publish(VideoStreamTrack())
        await publisher.negotiate()
    viewer = AiortcClient(room, "viewer")
    (one,), (other,) = (publisher.participant.tracks.values() for publisher in publishers)
    viewer.subscribe(one)
    answer = await viewer.negotiate()
    assert f"a=msid:first {one.track_id}" in answer
    await until(lambda: viewer.frames["video"] >= 3)

    viewer.subscribed = dict.fromkeys(viewer.subscribed, other.track_id)
    answer = await viewer.negotiate()
    assert f"a=msid:second {other.track_id}" in answer
    stats = viewer.participant.stats().rtp
    assert stats is not None
    assert [down.track_id for down in stats.down_tracks] == [other.track_id]
    await until(lambda: viewer.participant.stats().rtp.down_tracks[0].packets > 10)  # type: ignore[union-attr]
    for client in (*publishers, viewer):
        await client.close()


async def test_a_new_peer_connection_replaces_the_old_one(room: Room) -> None:
    client = AiortcClient(room, "first")
    client.publish(VideoStreamTrack())
    await client.negotiate()
    await until(lambda: client.participant.state == "connected")
    old_offer, intentions = client.pc.localDescription.sdp, client.intentions()
    old_pc, old_ids = client.pc, set(room.tracks)

    client.connect()
    client.publish(VideoStreamTrack())
    await client.negotiate()
    await until(lambda: client.participant.state == "connected")
    assert len(room.tracks) == 1 and not old_ids & set(room.tracks)
    await until(lambda: old_pc.connectionState == "closed")

    with pytest.raises(ConnectionLostError):
        await client.participant.negotiate(old_offer, **intentions)
    assert client.participant.state == "connected"
    await client.close()


async def test_new_ice_credentials_alone_are_an_ice_restart_and_with_a_new_session_a_new_connection(
    room: Room,
) -> None:
    client = AiortcClient(room, "first")
    client.publish(VideoStreamTrack())
    answer = await client.negotiate()
    await until(lambda: client.participant.state == "connected")
    offer, tracks = client.pc.localDescription.sdp, dict(room.tracks)

    def ufrag(sdp: str) -> str:
        return re.findall("a=ice-ufrag:(.*)\r", sdp)[0]

    restarted = offer.replace(ufrag(offer), "anew")
    assert ufrag(await client.participant.negotiate(restarted, **client.intentions())) != ufrag(answer)
    assert dict(room.tracks) == tracks
    assert client.participant.state == "connected"

    kept_certificate = re.sub("o=- .*", "o=- 1 1 IN IP4 0.0.0.0", offer.replace(ufrag(offer), "again"))
    await client.participant.negotiate(kept_certificate, **client.intentions())
    assert not room.tracks.keys() & tracks.keys()
    assert client.participant.state == "connecting"
    await client.close()


async def test_failed_negotiations_change_nothing(room: Room) -> None:
    client = AiortcClient(room, "first")
    client.publish(VideoStreamTrack(), "video/VP8")
    await client.negotiate()
    await until(lambda: client.participant.state == "connected")
    offer, tracks = client.pc.localDescription.sdp, dict(room.tracks)
    negotiate = client.participant.negotiate
    with pytest.raises(BadSdpError):
        await negotiate("garbage", publications={}, subscriptions={})
    with pytest.raises(BadSdpError):
        await negotiate(offer, publications={"9": "camera"}, subscriptions={})
    with pytest.raises(NoCommonCodecError):
        await negotiate(offer.replace("VP8", "AV9"), publications={"0": "camera"}, subscriptions={})
    with pytest.raises(UnknownTrackError):
        await negotiate(offer, publications={"0": "camera"}, subscriptions={"0": "no-such-track"})
    assert dict(room.tracks) == tracks
    assert client.participant.state == "connected"
    assert client.listener.unpublished == []
    await client.close()


async def test_a_failing_listener_does_not_disturb_the_call(room: Room) -> None:
    class Failing(Listener):
        def on_track_published(self, track: object) -> None:
            raise RuntimeError("boom")

    client = AiortcClient(room, "first")
    client.participant._listener = Failing()
    client.publish(VideoStreamTrack())
    await client.negotiate()
    await until(lambda: client.participant.state == "connected")
    await client.close()


async def test_identifiers_are_unique_and_rooms_refuse_when_closed(server: MediaServer, room: Room) -> None:
    with pytest.raises(DuplicateError):
        server.create_room("room")
    participant = room.add_participant("first", Listener())
    with pytest.raises(DuplicateError):
        room.add_participant("first", Listener())
    with pytest.raises(ValueError, match="identifier"):
        room.add_participant("a\r\nb", Listener())
    await room.aclose()
    await room.aclose()
    assert participant.state == "closed"
    with pytest.raises(ClosedError):
        room.add_participant("second", Listener())
    with pytest.raises(ClosedError):
        await participant.negotiate("v=0", publications={}, subscriptions={})
    assert server.create_room("room") is not room
