import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";

import { Peer } from "../src/media/peer";
import type { NegotiateRequest } from "../src/signalling/protocol";
import { FakeConnection, FakeTrack, answer, settle, stub } from "./fakes";

const camera = () => new FakeTrack("video") as unknown as MediaStreamTrack;
const microphone = () => new FakeTrack("audio") as unknown as MediaStreamTrack;
const video = (trackId: string) => ({ trackId, kind: "video" as const });

interface Bench {
  peer: Peer;
  offers: NegotiateRequest[];
  received: Map<string, MediaStreamTrack | null>;
  refusals: unknown[];
}

/** A peer whose offers are answered by `negotiate`, by default at once. */
function bench(negotiate: (request: NegotiateRequest) => Promise<string> = async () => answer()): Bench {
  const offers: NegotiateRequest[] = [];
  const received = new Map<string, MediaStreamTrack | null>();
  const refusals: unknown[] = [];
  const peer = new Peer(
    { iceServers: [], keepDetail: true },
    {
      negotiate: (request) => {
        offers.push(request);
        return negotiate(request);
      },
      onState: () => undefined,
      onRemoteTrack: (trackId, track) => received.set(trackId, track),
      onRefused: (error) => refusals.push(error),
    },
  );
  return { peer, offers, received, refusals };
}

const connection = (): FakeConnection => FakeConnection.all.at(-1)!;

beforeEach(() => {
  FakeConnection.all = [];
  stub("RTCPeerConnection", FakeConnection);
});

describe("offers", () => {
  it("carry everything that was asked for in the same turn", async () => {
    const { peer, offers } = bench();
    peer.setTrack("microphone", microphone());
    peer.setTrack("camera", camera());
    peer.setWanted([video("theirs")]);
    await settle();
    assert.equal(offers.length, 1);
    assert.deepEqual(offers[0]?.publications, [
      { mid: "0", source: "microphone" },
      { mid: "1", source: "camera" },
    ]);
    assert.deepEqual(offers[0]?.subscriptions, [{ mid: "2", trackId: "theirs" }]);
  });

  it("are made one at a time; a change meanwhile makes another one", async () => {
    let reply: (sdp: string) => void = () => undefined;
    const { peer, offers } = bench(() => new Promise((resolve) => (reply = resolve)));
    peer.setTrack("microphone", microphone());
    await settle();
    peer.setTrack("camera", camera());
    peer.setWanted([video("theirs")]);
    await settle();
    assert.equal(offers.length, 1);
    reply(answer());
    await settle();
    assert.equal(offers.length, 2);
    assert.equal(offers[1]?.publications.length, 2);
    assert.equal(offers[1]?.subscriptions.length, 1);
  });

  it("are not made when there is nothing to offer", async () => {
    const { peer, offers } = bench();
    peer.renegotiate();
    await settle();
    assert.deepEqual(offers, []);
  });

  it("are taken back when refused, and made again on the next change", async () => {
    let refuse = true;
    const { peer, offers, refusals } = bench(async () => {
      if (refuse) throw new Error("unknown_track");
      return answer();
    });
    peer.setWanted([video("gone")]);
    await settle();
    assert.equal(refusals.length, 1);
    assert.equal(connection().rollbacks, 1);
    assert.equal(connection().signalingState, "stable");
    refuse = false;
    peer.setWanted([video("there")]);
    await settle();
    assert.deepEqual(offers.at(-1)?.subscriptions.map(({ trackId }) => trackId), ["there"]);
  });

  it("are not needed to switch the camera off and on", async () => {
    const { peer, offers } = bench();
    peer.setTrack("camera", camera());
    await settle();
    peer.setTrack("camera", null);
    const next = camera();
    peer.setTrack("camera", next);
    await settle();
    assert.equal(offers.length, 1);
    assert.equal(connection().transceivers[0]?.sender.track, next);
  });
});

describe("received tracks", () => {
  it("are handed on once the answer is there, and taken back when no longer wanted", async () => {
    const { peer, received } = bench();
    peer.setWanted([video("a")]);
    assert.equal(received.size, 0);
    await settle();
    assert.equal(received.get("a"), connection().transceivers[0]?.receiver.track);
    peer.setWanted([]);
    assert.equal(received.get("a"), null);
    await settle();
    assert.equal(connection().transceivers[0]?.direction, "inactive");
  });

  it("use an idle section again", async () => {
    const { peer, offers } = bench();
    for (const trackId of ["a", "b", "c"]) {
      peer.setWanted([video(trackId)]);
      await settle();
    }
    assert.equal(connection().transceivers.length, 1);
    assert.deepEqual(offers.at(-1)?.subscriptions, [{ mid: "0", trackId: "c" }]);
  });
});

describe("a new connection", () => {
  it("has the content of the former one", async () => {
    const { peer, offers, received } = bench();
    peer.setTrack("camera", camera());
    peer.setWanted([video("theirs")]);
    await settle();
    peer.rebuild();
    assert.equal(received.get("theirs"), null);
    await settle();
    assert.equal(FakeConnection.all.length, 2);
    assert.ok(FakeConnection.all[0]?.closed);
    assert.deepEqual(offers[1]?.publications, [{ mid: "0", source: "camera" }]);
    assert.deepEqual(offers[1]?.subscriptions, [{ mid: "1", trackId: "theirs" }]);
    assert.equal(received.get("theirs"), connection().transceivers[1]?.receiver.track);
  });

  it("is made when the server turns out to be another one", async () => {
    const answers = [answer("AA"), answer("BB"), answer("BB")];
    const { peer, offers } = bench(async () => answers.shift()!);
    peer.setTrack("camera", camera());
    await settle();
    peer.renegotiate();
    await settle();
    assert.equal(FakeConnection.all.length, 2);
    assert.equal(offers.length, 3);
    assert.equal(connection().signalingState, "stable");
  });

  it("does not wait for an answer to the former one", async () => {
    const replies: ((sdp: string) => void)[] = [];
    const { peer, offers, refusals } = bench(() => new Promise((resolve) => replies.push(resolve)));
    peer.setTrack("camera", camera());
    await settle();
    peer.rebuild();
    await settle();
    assert.equal(offers.length, 2);
    replies[1]?.(answer("BB"));
    await settle();
    replies[0]?.(answer("AA"));
    await settle();
    assert.equal(FakeConnection.all.length, 2, "the late answer belongs to a connection that is gone");
    assert.deepEqual(refusals, []);
  });
});

describe("an ICE restart", () => {
  it("is asked for until an answer came", async () => {
    let refuse = true;
    const { peer } = bench(async () => {
      if (refuse) throw new Error("no_connection");
      return answer();
    });
    peer.setTrack("camera", camera());
    await settle();
    peer.restartIce();
    await settle();
    refuse = false;
    peer.renegotiate();
    await settle();
    assert.equal(connection().iceRestarts, 2);
    peer.renegotiate();
    await settle();
    assert.equal(connection().iceRestarts, 2);
  });
});

describe("a closed peer", () => {
  it("offers nothing more", async () => {
    const { peer, offers } = bench();
    peer.setTrack("camera", camera());
    peer.close();
    await settle();
    peer.rebuild();
    await settle();
    assert.deepEqual(offers, []);
    assert.equal(FakeConnection.all.length, 1);
  });
});
