import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";

import { CallError } from "../src/signalling/client";
import type { ServerEvent } from "../src/signalling/protocol";
import type { Memory, Page, TabStorage } from "../src/session/credentials";
import { Runtime } from "../src/session/runtime";
import { FakeConnection, FakeLine, FakeStream, FakeTrack, answer, settle, stub } from "./fakes";
import { joinResult, memory, participant, photo, room, track } from "./fixtures";

interface Bench {
  runtime: Runtime;
  line: FakeLine;
  stored: Record<string, string>;
  tell: (event: ServerEvent) => void;
}

const ready: Memory = { ...memory, consent: true, name: "Alex" };
let media: FakeTrack[];

beforeEach(() => {
  FakeConnection.all = [];
  media = [];
  stub("RTCPeerConnection", FakeConnection);
  stub("MediaStream", FakeStream);
  stub("window", { isSecureContext: true, RTCPeerConnection: FakeConnection, addEventListener: () => undefined });
  stub("document", { visibilityState: "visible", addEventListener: () => undefined, removeEventListener: () => undefined });
  stub("navigator", {
    mediaDevices: {
      getUserMedia: async () => {
        media = [new FakeTrack("audio"), new FakeTrack("video")];
        return { getTracks: () => media };
      },
      enumerateDevices: async () => [],
    },
  });
  // The watch over the media path is `recovery.ts`, tested with a clock of its own.
  stub("setInterval", () => 0);
});

function bench(page: Page, start: Memory | null, handler: FakeLine["handler"] = {}): Bench {
  const stored: Record<string, string> = {};
  const storage: TabStorage = { getItem: () => null, setItem: (key, value) => void (stored[key] = value) };
  let line: FakeLine | undefined;
  const runtime = new Runtime(page, start, storage, (listener) => {
    line = new FakeLine(listener, {
      lookup: () => ({ room, name: null, role: page === "agent" ? "agent" : "requester" }),
      join: () => ({ ...joinResult, participants: [participant("me", "requester")] }),
      negotiate: () => ({ sdp: answer() }),
      mute: () => ({}),
      leave: () => ({}),
      ...handler,
    });
    return line;
  });
  runtime.start();
  return { runtime, line: line!, stored, tell: (event) => runtime.store.dispatch({ type: "told", event }) };
}

async function joined(page: Page = "requester", handler: FakeLine["handler"] = {}): Promise<Bench> {
  const it = bench(page, ready, handler);
  it.line.listener.onUp();
  await settle();
  assert.equal(it.runtime.store.state.phase, "live");
  return it;
}

describe("joining", () => {
  it("sends what was agreed to and offers both devices", async () => {
    const { line } = await joined();
    assert.deepEqual(line.of("join"), [
      { convId: "88a2c81a", pwd: "012345", name: "Alex", consent: { accepted: true, version: "1" } },
    ]);
    assert.deepEqual(line.offers.at(-1)?.publications.map(({ source }) => source), ["microphone", "camera"]);
  });

  it("remembers the way back, and uses it with the next line", async () => {
    const { line, stored } = await joined();
    assert.match(stored["sightline.requester"] ?? "", /resume-1/);
    const offers = line.offers.length;
    line.listener.onDown();
    line.listener.onUp();
    await settle();
    assert.deepEqual(Object.keys(line.of("join").at(-1) as object).sort(), ["consent", "convId", "name", "resumeToken"]);
    assert.equal(line.offers.length, offers + 1, "the new line's server side has to hear the offer again");
    assert.equal(FakeConnection.all.length, 1, "on the same connection");
  });

  it("touches no device and asks nobody without a link", () => {
    const { runtime, line } = bench("requester", null);
    assert.equal(runtime.store.state.failure, "no_link");
    assert.deepEqual(line.calls, []);
  });

  it("says so where there is no WebRTC", () => {
    stub("window", { isSecureContext: true });
    assert.equal(bench("requester", ready).runtime.store.state.failure, "unsupported_browser");
  });

  it("asks for no device before consent", async () => {
    const { line } = bench("requester", memory);
    line.listener.onUp();
    await settle();
    assert.deepEqual(media, []);
  });

  it("lets go of the devices when it is refused", async () => {
    const { runtime, line } = bench("requester", ready, {
      join: () => {
        throw new CallError("room_full");
      },
    });
    line.listener.onUp();
    await settle();
    assert.equal(runtime.store.state.failure, "room_full");
    assert.ok(media.every(({ readyState }) => readyState === "ended"));
    assert.ok(line.log.includes("close"));
  });
});

describe("a running session", () => {
  it("receives what others publish and stops when they stop", async () => {
    const { line, tell, runtime } = await joined();
    const theirs = track("camera", "you");
    tell({ name: "participant-joined", payload: participant("you", "agent", [theirs]) });
    await settle();
    assert.deepEqual(line.offers.at(-1)?.subscriptions.map(({ trackId }) => trackId), [theirs.trackId]);
    assert.equal(runtime.streams.of("you").getTracks().length, 1);
    tell({ name: "participant-left", payload: { participantId: "you", reason: "left" } });
    await settle();
    assert.deepEqual(line.offers.at(-1)?.subscriptions, []);
    assert.equal(runtime.streams.of("you").getTracks().length, 0);
  });

  it("does not subscribe to its own tracks", async () => {
    const { line, tell } = await joined();
    tell({ name: "track-published", payload: track("camera", "me") });
    await settle();
    assert.deepEqual(line.offers.at(-1)?.subscriptions, []);
  });

  it("tells of a mute once, as soon as the track is announced", async () => {
    const { runtime, line, tell } = await joined();
    await runtime.setMicrophone(false);
    assert.deepEqual(line.of("mute"), [], "the server does not know the track yet");
    tell({ name: "track-published", payload: track("microphone", "me") });
    tell({ name: "track-published", payload: track("camera", "me") });
    await settle();
    assert.deepEqual(line.of("mute"), [{ trackId: "me-microphone", muted: true }]);
    await runtime.setMicrophone(true);
    await settle();
    assert.deepEqual(line.of("mute").at(-1), { trackId: "me-microphone", muted: false });
    assert.equal(line.of("mute").length, 2);
  });

  it("says in words why a photo failed, and lists one that did not", async () => {
    let obstacle = true;
    const { runtime } = await joined("agent", {
      snapshot: () => {
        if (obstacle) throw new CallError("no_picture");
        return { media: photo };
      },
    });
    assert.equal(await runtime.takeSnapshot(), null);
    assert.equal(runtime.store.state.notice?.code, "no_picture");
    obstacle = false;
    assert.equal(await runtime.takeSnapshot(), photo);
    assert.deepEqual(runtime.store.state.medias, [photo]);
  });

  it("starts and stops a recording with one button", async () => {
    const recording = { recordingId: "r", startedAt: "2026-01-01T10:00:00Z" };
    const { runtime, line } = await joined("agent", {
      "recording-start": () => ({ recording: { ...recording, status: "recording" } }),
      "recording-stop": () => ({ recording: { ...recording, status: "queued" } }),
    });
    await runtime.toggleRecording();
    await runtime.toggleRecording();
    assert.deepEqual(line.calls.filter(({ name }) => name.startsWith("recording")).map(({ name }) => name), [
      "recording-start",
      "recording-stop",
    ]);
  });

  it("reports a refused offer once, and stays silent about a line that broke", async () => {
    let code = "no_connection";
    const { runtime, tell } = await joined("requester", {
      negotiate: () => {
        throw new CallError(code);
      },
    });
    assert.equal(runtime.store.state.notice?.code, undefined);
    code = "no_common_codec";
    tell({ name: "participant-joined", payload: participant("you", "agent", [track("camera", "you")]) });
    await settle();
    assert.equal(runtime.store.state.notice?.code, "no_common_codec");
  });

  it("makes a new connection when the server has given the present one up", async () => {
    let given = false;
    const { line, tell } = await joined("requester", {
      negotiate: () => {
        if (!given) return { sdp: answer() };
        given = false;
        throw new CallError("connection_lost");
      },
    });
    given = true;
    tell({ name: "participant-joined", payload: participant("you", "agent", [track("camera", "you")]) });
    await settle();
    assert.equal(FakeConnection.all.length, 2);
    assert.equal(line.offers.at(-1)?.publications.length, 2);
    assert.equal(line.offers.at(-1)?.subscriptions.length, 1);
  });

  it("follows the media path", async () => {
    const { runtime } = await joined();
    const [connection] = FakeConnection.all;
    connection?.become("connected");
    assert.equal(runtime.store.state.mediaPath, "connected");
    connection?.become("disconnected");
    assert.equal(runtime.store.state.mediaPath, "interrupted");
  });
});

describe("the end", () => {
  for (const [page, end] of [["requester", false], ["agent", true]] as const) {
    it(`of the ${page} leaves${end ? " for everybody" : ""} and lets go of everything`, async () => {
      const { runtime, line } = await joined(page);
      runtime.store.dispatch({ type: "hung-up" });
      await settle();
      assert.deepEqual(line.of("leave"), [{ end }]);
      assert.ok(line.log.includes("close"));
      assert.ok(media.every(({ readyState }) => readyState === "ended"));
      assert.ok(FakeConnection.all.every(({ closed }) => closed));
    });
  }

  it("can be followed by coming back", async () => {
    const { runtime, line } = await joined();
    runtime.store.dispatch({ type: "hung-up" });
    await settle();
    runtime.store.dispatch({ type: "retried" });
    line.listener.onUp();
    await settle();
    assert.equal(runtime.store.state.phase, "live");
    assert.equal(FakeConnection.all.length, 2);
    assert.ok(media.every(({ readyState }) => readyState === "live"));
  });
});
