import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { counterpart, photoObstacle, situation } from "../src/session/situation";
import type { Connection } from "../src/signalling/protocol";
import type { SessionState } from "../src/session/state";
import { live, participant, track } from "./fixtures";

const camera = track("camera", "you");
const requester = participant("you", "requester", [camera]);
const agentState = (change: Partial<SessionState> = {}): SessionState => ({
  ...live("agent"),
  mediaPath: "connected",
  roster: [participant("me", "agent"), requester],
  ...change,
});
const withConnection = (connection: Connection): SessionState =>
  agentState({ roster: [participant("me", "agent"), { ...requester, connection }] });

describe("the situation", () => {
  const cases: [string, SessionState, string][] = [
    ["a running session", agentState(), "live"],
    ["nobody there", agentState({ roster: [participant("me", "agent")] }), "waiting"],
    ["a broken line", agentState({ online: false }), "reconnecting"],
    ["a broken path", agentState({ mediaPath: "interrupted" }), "reconnecting"],
    ["a path that never came up", agentState({ mediaPath: "blocked" }), "blocked"],
    ["the first seconds", agentState({ mediaPath: "connecting" }), "connecting"],
    ["the other side connecting", withConnection("connecting"), "joining"],
    ["the other side silent", withConnection("interrupted"), "unstable"],
    ["the other side gone", withConnection("away"), "away"],
    ["no camera", agentState({ roster: [participant("you", "requester")] }), "no_picture"],
    [
      "a camera that is off",
      agentState({ roster: [participant("you", "requester", [{ ...camera, muted: true }])] }),
      "no_picture",
    ],
  ];
  for (const [name, state, kind] of cases) {
    it(`is ${kind} with ${name}`, () => assert.equal(situation(state).kind, kind));
  }

  it("is about the other role, whoever came first", () => {
    const state = agentState({ roster: [participant("x", "participant"), requester, participant("me", "agent")] });
    assert.equal(counterpart(state)?.participantId, "you");
  });
});

describe("a photo", () => {
  it("can be taken of a running picture", () => assert.equal(photoObstacle(agentState()), null));
  it("needs somebody", () => assert.equal(photoObstacle(agentState({ roster: [] })), "no_one"));
  it("needs a picture", () => {
    assert.equal(photoObstacle(agentState({ roster: [participant("you", "requester")] })), "no_picture");
    assert.equal(photoObstacle(withConnection("away")), "no_picture");
  });
  it("needs the line", () => assert.equal(photoObstacle(agentState({ online: false })), "offline"));
});
