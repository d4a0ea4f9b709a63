import assert from "node:assert/strict";
import { before, describe, it } from "node:test";

import type { FunctionComponent } from "preact";
import { renderToString } from "preact-render-to-string";

import { chooseLanguage } from "../src/i18n";
import type { SessionState } from "../src/session/state";
import { Store } from "../src/session/store";
import { AgentCall } from "../src/views/agent";
import { App } from "../src/views/app";
import { ViewContext, type Actions } from "../src/views/context";
import { MeetingCall } from "../src/views/meeting";
import { initials } from "../src/views/names";
import { RequesterCall } from "../src/views/requester";
import { composite, fresh, live, participant, photo, room, track } from "./fixtures";

const nothing = async (): Promise<null> => null;

function draw(state: SessionState, call: FunctionComponent = RequesterCall, language = "en"): string {
  const stream = {} as MediaStream;
  const actions = {
    store: new Store(state, () => undefined),
    streams: { of: () => stream },
    preview: stream,
    setMicrophone: nothing,
    setCamera: nothing,
    switchCamera: nothing,
    takeSnapshot: nothing,
    toggleRecording: nothing,
  } as unknown as Actions;
  return renderToString(
    <ViewContext.Provider value={{ actions, language: chooseLanguage([language]), embedded: false }}>
      <App call={call} />
    </ViewContext.Provider>,
  );
}

function hooks(html: string): string[] {
  return [...html.matchAll(/data-testid="([^"]+)"/g)].map((match) => match[1] ?? "").sort();
}

const camera = track("camera", "you");
const agent = participant("you", "agent", [camera]);
const requester = participant("you", "requester", [camera]);
const on = { status: "on", problem: null } as const;
const switchable = { ...on, facing: "environment", switchable: true } as const;

before(() => {
  // Drawn to a string there is no document; the views only read its title from an effect, which does not run.
  assert.equal(typeof document, "undefined");
});

describe("cards", () => {
  it("ask for consent with both answers", () => {
    const html = draw({ ...fresh(), phase: "consent", room: { ...room, geolocation: "optional" } });
    assert.deepEqual(hooks(html), ["consent-accept", "consent-decline"]);
    assert.match(html, /position/);
    assert.match(html, /https:\/\/example\.org\/terms/);
  });

  it("name only what the room will really ask for", () => {
    const html = draw({ ...fresh(), phase: "consent", room: { ...room, geolocation: "off", record: "off" } });
    assert.doesNotMatch(html, /position|recording/);
  });

  it("ask for a name", () => {
    assert.deepEqual(hooks(draw({ ...fresh(), phase: "name" })), ["join", "name-input"]);
  });

  it("say why the position is missing", () => {
    const state = fresh("requester", { geolocation: "denied" });
    const html = draw({ ...state, phase: "position", room: { ...room, geolocation: "required" } });
    assert.deepEqual(hooks(html), ["error"]);
  });

  for (const failure of ["no_link", "access_denied", "locked", "room_full", "something_new"]) {
    it(`say in words what to do about ${failure}`, () => {
      const html = draw({ ...fresh(), phase: "failed", failure });
      assert.deepEqual(hooks(html), ["error"]);
      assert.doesNotMatch(html, /undefined|something_new/);
    });
  }

  for (const endReason of ["left", "hang_up", "end_time", "closed", "expired", "something_new"]) {
    it(`say that it ended by ${endReason}`, () => {
      const html = draw({ ...live(), phase: "ended", endReason });
      assert.deepEqual(hooks(html), ["ended"]);
      assert.doesNotMatch(html, /undefined/);
    });
  }

  it("keep what an agent took at hand after the end", () => {
    const state: SessionState = { ...live("agent"), phase: "ended", endReason: "hang_up", medias: [photo, composite] };
    assert.deepEqual(hooks(draw(state, AgentCall)), ["ended", "snapshot"]);
  });
});

describe("the requester's session", () => {
  it("has its controls and the own picture while waiting", () => {
    const html = draw({ ...live(), camera: switchable, microphone: on });
    assert.deepEqual(hooks(html), ["camera-switch", "camera-toggle", "hang-up", "local-video", "mic-toggle", "waiting"]);
    assert.match(html, /Waiting for Camille/);
  });

  it("has the agent's picture when there is one", () => {
    const state: SessionState = { ...live(), mediaPath: "connected", roster: [agent], camera: switchable };
    assert.ok(hooks(draw(state)).includes("remote-video"));
    assert.ok(!hooks(draw(state)).includes("waiting"));
  });

  it("offers no switch without a second camera", () => {
    const state: SessionState = { ...live(), camera: { ...switchable, switchable: false } };
    assert.ok(!hooks(draw(state)).includes("camera-switch"));
  });

  it("says when it is recorded, and has no button for it", () => {
    const recording = { recordingId: "r", status: "recording", startedAt: "2026-01-01T10:00:00Z" } as const;
    const html = draw({ ...live(), recording });
    assert.match(html, /recording-badge/);
    assert.ok(!hooks(html).includes("record-toggle"));
  });

  for (const problem of ["denied", "in_use", "missing", "insecure", "lost", "failed"] as const) {
    it(`says in words that the camera is ${problem}`, () => {
      const html = draw({ ...live(), camera: { ...switchable, status: "off", problem } });
      assert.ok(hooks(html).includes("error"));
    });
  }
});

describe("the agent's session", () => {
  const running: SessionState = { ...live("agent"), mediaPath: "connected", roster: [requester], camera: switchable };

  it("has its tools", () => {
    const html = draw({ ...running, medias: [photo, photo, composite] }, AgentCall);
    assert.deepEqual(hooks(html), [
      "camera-switch", "camera-toggle", "hang-up", "local-video", "mic-toggle", "record-toggle", "remote-video",
      "snapshot", "snapshot", "take-snapshot",
    ]);
  });

  it("says why no photo can be taken", () => {
    const html = draw({ ...running, roster: [] }, AgentCall);
    assert.match(html, /aria-disabled="true"[^>]*aria-describedby="photo-reason"/);
    assert.ok(hooks(html).includes("waiting"));
  });

  it("has no recording button where recording is off", () => {
    assert.ok(!hooks(draw({ ...running, room: { ...room, record: "off" } }, AgentCall)).includes("record-toggle"));
  });

  it("offers a recording for download once it is ready", () => {
    const processing = { ...composite, status: "processing", progress: 0.5 } as const;
    assert.doesNotMatch(draw({ ...running, medias: [processing] }, AgentCall), /download=/);
    assert.match(draw({ ...running, medias: [processing] }, AgentCall), /<progress value="0.5"/);
    assert.match(draw({ ...running, medias: [composite] }, AgentCall), /download="0YW553BN-1-composite.mp4"/);
  });
});

describe("a meeting", () => {
  const everyone = [participant("me", "participant"), participant("a", "participant", [track("camera", "a")])];
  const running: SessionState = { ...live("meeting"), mediaPath: "connected", roster: everyone };

  it("shows everybody", () => {
    assert.deepEqual(hooks(draw(running, MeetingCall)), [
      "camera-toggle", "hang-up", "local-video", "mic-toggle", "remote-video",
    ]);
  });

  it("gives its moderator the recording", () => {
    const html = draw({ ...running, page: "agent", role: "moderator" }, MeetingCall);
    assert.ok(hooks(html).includes("record-toggle"));
  });
});

describe("every state", () => {
  it("is drawn in every language without a hole", () => {
    for (const language of ["en", "fr"]) {
      for (const state of [fresh(), live(), live("agent"), { ...live(), online: false }]) {
        assert.doesNotMatch(draw(state, AgentCall, language), /undefined|\[object|null/);
      }
    }
  });
});

describe("initials", () => {
  it("are the first letters of the first and the last name", () => {
    assert.equal(initials("Alex van der Martin"), "AM");
    assert.equal(initials("noor"), "N");
    assert.equal(initials("  "), "");
  });
});
