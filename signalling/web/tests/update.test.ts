import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { ACCEPTED, accepts, update } from "../src/session/update";
import { isReconnecting, type Phase, type SessionEvent, type SessionState } from "../src/session/state";
import { after, composite, fresh, joinedEvent, live, lookedUp, participant, photo, track } from "./fixtures";

const EVERY_EVENT: readonly SessionEvent[] = [
  { type: "line-up" },
  { type: "line-down" },
  lookedUp(),
  { type: "lookup-refused", code: "access_denied" },
  { type: "consented" },
  { type: "declined" },
  { type: "named", name: "Alex" },
  { type: "located", answer: "granted" },
  joinedEvent(),
  { type: "join-refused", code: "room_full" },
  { type: "hung-up" },
  { type: "retried" },
  { type: "told", event: { name: "ended", payload: { reason: "closed" } } },
  { type: "media-path-changed", path: "connected" },
  { type: "sound-blocked", blocked: true },
  { type: "device-changed", device: "microphone", change: { status: "on" } },
  { type: "device-changed", device: "camera", change: { status: "on" } },
  { type: "media-listed", media: photo },
  { type: "recording-told", recording: { recordingId: "r", status: "recording", startedAt: "2026-01-01T10:00:00Z" } },
  { type: "noticed", code: "internal" },
  { type: "notice-dismissed" },
];

describe("every phase and event", () => {
  for (const phase of Object.keys(ACCEPTED) as Phase[]) {
    for (const event of EVERY_EVENT) {
      if (accepts(phase, event.type)) continue;
      it(`${event.type} means nothing while ${phase}`, () => {
        const state: SessionState = { ...live(), phase };
        assert.deepEqual(update(state, event), { state, effects: [] });
        assert.equal(update(state, event).state, state);
      });
    }
  }
});

describe("the way in", () => {
  it("looks the room up as soon as the line is up", () => {
    assert.deepEqual(after(fresh(), { type: "line-up" }).effects, ["lookup"]);
  });

  it("asks a requester for consent before anything else", () => {
    const { state, effects } = after(fresh(), { type: "line-up" }, lookedUp({ geolocation: "required" }));
    assert.equal(state.phase, "consent");
    assert.ok(!effects.includes("start-devices") && !effects.includes("locate") && !effects.includes("join"));
  });

  it("touches no device before consent in any order of events", () => {
    for (const event of EVERY_EVENT.filter(({ type }) => type !== "consented" && type !== "joined")) {
      const { effects } = after(fresh(), { type: "line-up" }, lookedUp({ geolocation: "optional" }), event);
      assert.ok(!effects.includes("start-devices") && !effects.includes("locate"), event.type);
    }
  });

  it("asks for a name after consent, and takes an empty one for an answer", () => {
    const consented = after(fresh(), lookedUp(), { type: "consented" });
    assert.equal(consented.state.phase, "name");
    const named = after(consented.state, { type: "named", name: "" });
    assert.equal(named.state.phase, "joining");
    assert.deepEqual(named.effects, ["remember", "join", "start-devices"]);
  });

  it("asks for no name that the link gave", () => {
    assert.equal(after(fresh("requester", { name: "Alex" }), lookedUp(), { type: "consented" }).state.phase, "joining");
  });

  it("asks an agent nothing", () => {
    const { state, effects } = after(fresh("agent"), { type: "line-up" }, lookedUp({ geolocation: "required" }, "agent"));
    assert.equal(state.phase, "joining");
    assert.deepEqual(effects, ["remember", "join", "start-devices"]);
  });

  it("asks for no name that the ticket gave, and puts the link's before it", () => {
    const known = after(fresh(), lookedUp({}, "requester", "Alex"), { type: "consented" });
    assert.equal(known.state.phase, "joining");
    assert.equal(known.state.memory?.name, "Alex");
    const linked = after(fresh("requester", { name: "Sam" }), lookedUp({}, "requester", "Alex"));
    assert.equal(linked.state.memory?.name, "Sam");
  });

  it("asks a meeting's participant for consent and name but not for the position", () => {
    const start = after(fresh("meeting"), lookedUp({ kind: "meeting", geolocation: "required" }, "participant"));
    assert.equal(start.state.phase, "consent");
    assert.equal(after(start.state, { type: "consented" }, { type: "named", name: "Noor" }).state.phase, "joining");
  });

  it("asks for the position once, after consent", () => {
    const asked = after(fresh("requester", { name: "A" }), lookedUp({ geolocation: "optional" }), { type: "consented" });
    assert.equal(asked.state.phase, "position");
    assert.deepEqual(asked.effects, ["remember", "locate"]);
    assert.equal(after(asked.state, { type: "located", answer: "denied" }).state.phase, "joining");
  });

  it("does not let a requester in without a required position, but lets them try again", () => {
    const start = fresh("requester", { name: "A", consent: true });
    const refused = after(start, lookedUp({ geolocation: "required" }), { type: "located", answer: "denied" });
    assert.equal(refused.state.phase, "position");
    assert.ok(!refused.effects.includes("locate"));
    const again = after(refused.state, { type: "retried" });
    assert.deepEqual(again.effects, ["locate"]);
    assert.equal(after(again.state, { type: "located", answer: "granted" }).state.phase, "joining");
  });

  it("shares nothing after declining, and starts over on request", () => {
    const declined = after(fresh(), lookedUp(), { type: "declined" });
    assert.equal(declined.state.phase, "declined");
    assert.deepEqual(declined.effects, ["close-line"]);
    const again = after(declined.state, { type: "retried" }, { type: "line-up" }, lookedUp());
    assert.equal(again.state.phase, "consent");
  });

  it("keeps the card that is open when the line breaks and comes back", () => {
    const start = after(fresh(), lookedUp()).state;
    const back = after(start, { type: "line-down" }, { type: "line-up" });
    assert.deepEqual(back.effects, ["lookup"]);
    assert.equal(after(back.state, lookedUp()).state.phase, "consent");
  });

  it("waits for the line when a question was not answered", () => {
    const { state, effects } = after(fresh(), { type: "lookup-refused", code: "no_connection" });
    assert.equal(state.phase, "connecting");
    assert.deepEqual(effects, []);
  });

  for (const code of ["access_denied", "locked", "room_expired", "room_ended"]) {
    it(`ends at ${code}`, () => {
      const { state, effects } = after(fresh(), { type: "lookup-refused", code });
      assert.equal(state.phase, "failed");
      assert.equal(state.failure, code);
      assert.ok(effects.includes("close-line"));
    });
  }

  it("lets go of the camera when the room turns out to be full", () => {
    const start = after(fresh("agent"), lookedUp({}, "agent")).state;
    assert.ok(after(start, { type: "join-refused", code: "agent_present" }).effects.includes("release-media"));
  });
});

describe("a running session", () => {
  it("remembers the way back and synchronises media", () => {
    const start = after(fresh("requester", { name: "A", consent: true }), lookedUp()).state;
    const { state, effects } = after(start, joinedEvent());
    assert.equal(state.phase, "live");
    assert.equal(state.memory?.resumeToken, "resume-1");
    assert.equal(state.clockOffsetMs, 5000);
    assert.deepEqual(effects, ["remember", "sync-media"]);
  });

  it("knows itself in the room even if the server does not list it", () => {
    const state = live("requester", { participants: [] });
    assert.deepEqual(state.roster.map(({ participantId }) => participantId), ["me"]);
  });

  it("joins again with every new line", () => {
    const down = after(live(), { type: "line-down" });
    assert.equal(down.state.phase, "live");
    assert.ok(isReconnecting(down.state));
    const up = after(down.state, { type: "line-up" });
    assert.deepEqual(up.effects, ["join"]);
    assert.equal(after(up.state, joinedEvent()).state.phase, "live");
  });

  it("comes back after a reload without a question", () => {
    const start = fresh("requester", { resumeToken: "resume-1", convId: "88a2c81a", consent: true, name: "A" });
    assert.deepEqual(after(start, { type: "line-up" }).effects, ["join"]);
    const { state, effects } = after(start, joinedEvent({ room: { ...lookedUpRoom, geolocation: "required" } }));
    assert.equal(state.phase, "live");
    assert.deepEqual(effects, ["remember", "sync-media", "start-devices", "locate"]);
  });

  it("goes back to the door when its seat was given up", () => {
    const lost = after(live(), { type: "join-refused", code: "access_denied" });
    assert.equal(lost.state.phase, "connecting");
    assert.equal(lost.state.memory?.resumeToken, null);
    assert.deepEqual(lost.effects, ["remember", "reopen-line"]);
    const back = after(lost.state, { type: "line-up" }, lookedUp());
    assert.equal(back.state.phase, "joining", "consent and name still count");
  });

  it("does not try a refused link for ever", () => {
    const lost = after(live(), { type: "join-refused", code: "access_denied" }).state;
    assert.equal(after(lost, { type: "lookup-refused", code: "access_denied" }).state.phase, "failed");
  });

  it("opens a new line when the present one does not answer", () => {
    const start = { ...live(), online: true };
    assert.deepEqual(after(start, { type: "join-refused", code: "no_connection" }).effects, ["reopen-line"]);
    assert.deepEqual(after({ ...start, online: false }, { type: "join-refused", code: "no_connection" }).effects, []);
  });

  it("asks again for what the server misses after a reload", () => {
    const start = fresh("requester", { resumeToken: "r", consent: true, name: "A", geolocation: "granted" });
    const refused = after(start, { type: "join-refused", code: "position_required" });
    assert.deepEqual(refused.effects, ["lookup"]);
    assert.equal(after(refused.state, lookedUp({ geolocation: "required" })).state.phase, "position");
  });

  it("tells a session that was closed meanwhile from a link that never worked", () => {
    assert.equal(after(live(), { type: "join-refused", code: "room_ended" }).state.phase, "ended");
    assert.equal(after(fresh(), { type: "join-refused", code: "room_ended" }).state.phase, "failed");
  });

  it("follows who comes, changes, publishes, mutes and goes", () => {
    const camera = track("camera", "you");
    const you = participant("you", "agent");
    const tell = (event: Extract<SessionEvent, { type: "told" }>["event"]): SessionEvent => ({ type: "told", event });
    let { state, effects } = after(live(), tell({ name: "participant-joined", payload: you }));
    assert.deepEqual(effects, ["sync-media"]);
    ({ state, effects } = after(state, tell({ name: "track-published", payload: camera })));
    assert.deepEqual(effects, ["sync-media"]);
    ({ state } = after(state, tell({ name: "track-muted", payload: { ...camera, muted: true } })));
    assert.deepEqual(state.roster.at(-1)?.tracks, [{ ...camera, muted: true }]);
    ({ state } = after(state, tell({ name: "track-unpublished", payload: camera })));
    assert.deepEqual(state.roster.at(-1)?.tracks, []);
    const left = { participantId: "you", reason: "left" };
    ({ state } = after(state, tell({ name: "participant-left", payload: left })));
    assert.deepEqual(state.roster.map(({ participantId }) => participantId), ["me"]);
  });

  it("lists a photo once, whether the answer or the event comes first", () => {
    const listed: SessionEvent = { type: "media-listed", media: photo };
    const added: SessionEvent = { type: "told", event: { name: "media-added", payload: photo } };
    assert.equal(after(live("agent"), listed, added).state.medias.length, 1);
    assert.equal(after(live("agent"), added, listed).state.medias.length, 1);
  });

  it("tells the requester, and nobody else, that a photo was taken", () => {
    const added: SessionEvent = { type: "told", event: { name: "media-added", payload: photo } };
    assert.equal(after(live("requester"), added).state.notice?.code, "photo_taken");
    assert.equal(after(live("agent"), added).state.notice, null);
  });

  it("tells the agent when the server came back without the recording", () => {
    const running = { recordingId: "r", status: "recording", startedAt: "2026-01-01T10:00:00.000+00:00" } as const;
    const recording = live("agent", { recording: running });
    const back = (change: object): string | undefined =>
      after(recording, { type: "line-down" }, { type: "line-up" }, joinedEvent({ role: "agent", ...change })).state
        .notice?.code;
    assert.equal(back({ recording: null }), "recording_cut");
    assert.equal(back({ recording: running }), undefined);
  });

  it("follows a recording to its end", () => {
    const told = (change: object): SessionEvent => ({
      type: "told",
      event: { name: "media-changed", payload: { ...composite, ...change } },
    });
    const { state } = after(live("agent"), told({ status: "processing", progress: 0.4 }), told({ status: "completed" }));
    assert.deepEqual(state.medias, [{ ...composite, status: "completed" }]);
  });

  it("ends for everybody when the agent hangs up, and for oneself otherwise", () => {
    const agent = after(live("agent"), { type: "hung-up" });
    assert.equal(agent.state.endReason, "hang_up");
    const requester = after(live(), { type: "hung-up" });
    assert.equal(requester.state.endReason, "left");
    for (const { effects } of [agent, requester]) {
      assert.deepEqual(effects, ["leave", "release-media", "remember"]);
    }
  });

  it("forgets its seat, not its consent, when it leaves, and can come back", () => {
    const { state } = after(live(), { type: "hung-up" });
    assert.equal(state.memory?.resumeToken, null);
    const back = after(state, { type: "retried" }, { type: "line-up" }, lookedUp());
    assert.equal(back.state.phase, "joining");
  });

  it("keeps the reason when the server ends it", () => {
    const { state, effects } = after(live(), { type: "told", event: { name: "ended", payload: { reason: "end_time" } } });
    assert.equal(state.endReason, "end_time");
    assert.ok(effects.includes("release-media") && effects.includes("close-line"));
  });

  it("rests when another window takes the seat, and takes it back on request", () => {
    const { state } = after(live(), { type: "told", event: { name: "replaced", payload: {} } });
    assert.equal(state.phase, "replaced");
    assert.deepEqual(after(state, { type: "retried" }, { type: "line-up" }).effects, ["join"]);
  });

  it("shows one notice at a time, each as a new one", () => {
    const { state } = after(live(), { type: "noticed", code: "no_picture" }, { type: "noticed", code: "no_picture" });
    assert.deepEqual(state.notice, { id: 2, code: "no_picture" });
    assert.equal(after(state, { type: "notice-dismissed" }).state.notice, null);
  });
});

const lookedUpRoom = live().room!;
