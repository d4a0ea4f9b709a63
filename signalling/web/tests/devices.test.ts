import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";

import { Devices } from "../src/media/devices";
import type { Camera, Device } from "../src/session/state";
import { FakeTrack, stub } from "./fakes";

type Ask = { audio?: unknown; video?: { facingMode?: { ideal: string }; deviceId?: { exact: string } } };

const named = (name: string): Error => Object.assign(new Error(name), { name });

interface Bench {
  devices: Devices;
  asked: Ask[];
  microphone: Partial<Device>;
  camera: Partial<Camera>;
  sent: Map<string, FakeTrack | null>;
}

interface Equipment {
  /** Cameras by id, with the side they look to. */
  cameras?: Record<string, "user" | "environment" | undefined>;
  refuse?: (ask: Ask) => string | null;
  permissions?: Record<string, PermissionState>;
}

function bench({ cameras = { back: "environment", front: "user" }, refuse, permissions = {} }: Equipment = {}): Bench {
  const asked: Ask[] = [];
  const ids = Object.keys(cameras);
  const pick = (video: NonNullable<Ask["video"]>): string | undefined =>
    video.deviceId?.exact ?? ids.find((id) => cameras[id] === video.facingMode?.ideal) ?? ids[0];
  // A phone opens one camera at a time.
  const open: FakeTrack[] = [];
  stub("window", { isSecureContext: true });
  stub("navigator", {
    mediaDevices: {
      getUserMedia: async (ask: Ask) => {
        asked.push(ask);
        const refusal = refuse?.(ask);
        if (refusal) throw named(refusal);
        const tracks: FakeTrack[] = [];
        if (ask.audio) tracks.push(new FakeTrack("audio"));
        if (ask.video) {
          if (open.some(({ readyState }) => readyState === "live")) throw named("NotReadableError");
          const deviceId = pick(ask.video);
          if (!deviceId) throw named("NotFoundError");
          const facingMode = cameras[deviceId];
          const track = new FakeTrack("video", facingMode ? { deviceId, facingMode } : { deviceId });
          open.push(track);
          tracks.push(track);
        }
        return { getTracks: () => tracks };
      },
      enumerateDevices: async () => ids.map((deviceId) => ({ kind: "videoinput", deviceId })),
    },
    permissions: { query: async ({ name }: { name: string }) => ({ state: permissions[name] ?? "prompt" }) },
  });
  const result = { asked, microphone: {}, camera: {}, sent: new Map() } as unknown as Bench;
  result.devices = new Devices("environment", {
    onMicrophone: (change) => Object.assign(result.microphone, change),
    onCamera: (change) => Object.assign(result.camera, change),
    onTrack: (source, track) => result.sent.set(source, track as unknown as FakeTrack | null),
  });
  return result;
}

const sentCamera = ({ sent }: Bench): string | undefined => sent.get("camera")?.getSettings().deviceId;

describe("starting", () => {
  it("asks once for both, for the preferred side", async () => {
    const it = bench();
    await it.devices.start();
    assert.equal(it.asked.length, 1);
    assert.equal(it.asked[0]?.video?.facingMode?.ideal, "environment");
    assert.equal(it.microphone.status, "on");
    assert.deepEqual(it.camera, { status: "on", problem: null, facing: "environment", switchable: true });
  });

  it("goes on with the microphone when the camera is in use", async () => {
    const it = bench({ refuse: ({ video }) => (video ? "NotReadableError" : null) });
    await it.devices.start();
    assert.deepEqual(it.camera, { status: "off", problem: "in_use" });
    assert.equal(it.microphone.status, "on");
  });

  it("goes on with the camera when there is no microphone", async () => {
    const it = bench({ refuse: ({ audio }) => (audio ? "NotFoundError" : null) });
    await it.devices.start();
    assert.equal(it.camera.status, "on");
    assert.equal(it.microphone.problem, "missing");
  });

  it("does not ask twice somebody who said no", async () => {
    const it = bench({ refuse: () => "NotAllowedError" });
    await it.devices.start();
    assert.equal(it.asked.length, 1);
    assert.deepEqual([it.camera.problem, it.microphone.problem], ["denied", "denied"]);
  });

  it("asks for the one device that is not blocked", async () => {
    const it = bench({
      refuse: ({ video }) => (video ? "NotAllowedError" : null),
      permissions: { camera: "denied", microphone: "prompt" },
    });
    await it.devices.start();
    assert.equal(it.microphone.status, "on");
    assert.equal(it.camera.problem, "denied");
    assert.equal(it.asked.length, 2);
  });

  it("respects a microphone that is muted while the browser still asks", async () => {
    const it = bench();
    const started = it.devices.start();
    await it.devices.setMicrophone(false);
    await started;
    assert.equal(it.sent.get("microphone")?.enabled, false);
    assert.equal(it.microphone.status, "off");
  });

  it("says so on an insecure page", async () => {
    const it = bench();
    stub("window", { isSecureContext: false });
    await it.devices.start();
    assert.deepEqual([it.camera.problem, it.microphone.problem], ["insecure", "insecure"]);
  });
});

describe("switching off and on", () => {
  let it_: Bench;
  beforeEach(async () => {
    it_ = bench();
    await it_.devices.start();
  });

  it("stops the camera and opens it anew", async () => {
    const first = it_.sent.get("camera");
    await it_.devices.setCamera(false);
    assert.equal(first?.readyState, "ended");
    assert.equal(it_.sent.get("camera"), null);
    assert.equal(it_.camera.status, "off");
    await it_.devices.setCamera(true);
    assert.equal(it_.camera.status, "on");
    assert.equal(sentCamera(it_), "back");
  });

  it("silences the microphone without giving it back", async () => {
    const track = it_.sent.get("microphone");
    await it_.devices.setMicrophone(false);
    assert.equal(track?.enabled, false);
    assert.equal(track?.readyState, "live");
    await it_.devices.setMicrophone(true);
    assert.equal(track?.enabled, true);
    assert.equal(it_.asked.length, 1);
  });

  it("tells a device that is lost, and finds it again when the page is back", async () => {
    it_.sent.get("camera")?.end();
    assert.equal(it_.camera.problem, "lost");
    assert.equal(it_.sent.get("camera"), null);
    await it_.devices.revive();
    assert.deepEqual([it_.camera.status, it_.camera.problem], ["on", null]);
  });

  it("does not start a camera that the person switched off", async () => {
    await it_.devices.setCamera(false);
    await it_.devices.revive();
    assert.equal(it_.camera.status, "off");
  });

  it("ends with everything stopped", async () => {
    const tracks = [...it_.sent.values()];
    it_.devices.release();
    assert.ok(tracks.every((track) => track?.readyState === "ended"));
    await it_.devices.setCamera(true);
    assert.equal(it_.camera.status, "off");
  });
});

describe("the other camera", () => {
  it("is the one on the other side", async () => {
    const it = bench();
    await it.devices.start();
    await it.devices.switchCamera();
    assert.equal(sentCamera(it), "front");
    await it.devices.switchCamera();
    assert.equal(sentCamera(it), "back");
  });

  it("is the next in turn where no camera knows its side", async () => {
    const it = bench({ cameras: { one: undefined, two: undefined, three: undefined } });
    await it.devices.start();
    const visited = [];
    for (let turn = 0; turn < 3; turn++) {
      await it.devices.switchCamera();
      visited.push(sentCamera(it));
    }
    assert.deepEqual(visited, ["two", "three", "one"]);
  });

  it("is kept after switching off and on", async () => {
    const it = bench();
    await it.devices.start();
    await it.devices.switchCamera();
    await it.devices.setCamera(false);
    await it.devices.setCamera(true);
    assert.equal(sentCamera(it), "front");
  });

  it("leaves the present one in place when it cannot be opened", async () => {
    const broken = ({ video }: Ask): boolean => video?.facingMode?.ideal === "user" || video?.deviceId?.exact === "front";
    const it = bench({ refuse: (ask) => (broken(ask) ? "NotReadableError" : null) });
    await it.devices.start();
    await it.devices.switchCamera();
    assert.equal(sentCamera(it), "back");
    assert.equal(it.camera.status, "on");
  });
});
