import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { deviceProblem } from "../src/media/errors";
import { Recovery } from "../src/media/recovery";
import { sameCertificate } from "../src/media/sdp";
import { ReceiveSlots } from "../src/media/slots";
import { toPosition } from "../src/session/locator";

describe("receiving sections", () => {
  const make = (): { slots: ReceiveSlots<number>; opened: string[] } => {
    const opened: string[] = [];
    return { opened, slots: new ReceiveSlots((kind) => opened.push(kind)) };
  };
  const video = (trackId: string) => ({ trackId, kind: "video" as const });
  const audio = (trackId: string) => ({ trackId, kind: "audio" as const });
  const carried = (slots: ReceiveSlots<number>) => slots.all.map(({ trackId }) => trackId);

  it("are opened once for each track", () => {
    const { slots, opened } = make();
    assert.equal(slots.assign([video("a"), audio("b")]).length, 2);
    assert.deepEqual(slots.assign([video("a"), audio("b")]), []);
    assert.deepEqual(opened, ["video", "audio"]);
  });

  it("are kept idle when their track ends and used again for the next of its kind", () => {
    const { slots, opened } = make();
    slots.assign([video("a")]);
    slots.assign([]);
    assert.deepEqual(carried(slots), [null]);
    slots.assign([audio("c"), video("b")]);
    assert.deepEqual(opened, ["video", "audio"]);
    assert.deepEqual(carried(slots), ["b", "c"]);
  });

  it("do not grow over a hundred comings and goings", () => {
    const { slots } = make();
    for (let round = 0; round < 100; round++) slots.assign([video(`v${round}`), audio(`a${round}`)]);
    assert.equal(slots.all.length, 2);
    assert.deepEqual(carried(slots), ["v99", "a99"]);
  });

  it("report the slot that changes hands", () => {
    const { slots } = make();
    slots.assign([video("a")]);
    assert.deepEqual(slots.assign([video("b")]).map(({ trackId }) => trackId), ["b"]);
  });

  it("carry a track that is wanted twice once", () => {
    const { slots } = make();
    slots.assign([video("a"), video("a")]);
    assert.deepEqual(carried(slots), ["a"]);
  });
});

describe("recovery", () => {
  const connected = (): Recovery => {
    const recovery = new Recovery();
    recovery.begin(0);
    recovery.onState("connecting", 10);
    recovery.onState("connected", 200);
    return recovery;
  };

  it("leaves a working path alone", () => {
    assert.equal(connected().next(1_000_000), null);
  });

  it("waits three seconds, then restarts, then rebuilds", () => {
    const recovery = connected();
    recovery.onState("disconnected", 1_000);
    assert.equal(recovery.next(3_999), null);
    assert.equal(recovery.next(4_000), "restart-ice");
    assert.equal(recovery.next(7_999), null);
    assert.equal(recovery.next(8_000), "rebuild");
    assert.equal(recovery.next(15_999), null);
    assert.equal(recovery.next(16_000), "rebuild");
    assert.equal(recovery.rebuilds, 2);
  });

  it("does nothing about a gap that closes by itself", () => {
    const recovery = connected();
    recovery.onState("disconnected", 1_000);
    recovery.onState("connected", 2_000);
    assert.equal(recovery.next(10_000), null);
  });

  it("restarts at once when a path that worked has failed", () => {
    const recovery = connected();
    recovery.onState("failed", 1_000);
    assert.equal(recovery.next(1_000), "restart-ice");
  });

  it("rebuilds a connection that never comes up, ever more patiently", () => {
    const recovery = new Recovery();
    recovery.begin(0);
    const rebuilt: number[] = [];
    for (let now = 0; now <= 90_000; now += 500) if (recovery.next(now)) rebuilt.push(now);
    assert.deepEqual(rebuilt, [8_000, 16_000, 32_000, 52_000, 72_000]);
  });

  it("hurries when the network is back", () => {
    const recovery = connected();
    recovery.onState("disconnected", 1_000);
    recovery.nudge(1_500);
    assert.equal(recovery.next(1_500), "restart-ice");
  });

  it("starts from the beginning after it worked again", () => {
    const recovery = connected();
    recovery.onState("failed", 1_000);
    recovery.next(1_000);
    recovery.next(5_000);
    recovery.onState("connected", 5_500);
    recovery.onState("disconnected", 60_000);
    assert.equal(recovery.next(63_000), "restart-ice");
    assert.equal(recovery.rebuilds, 0);
  });
});

describe("session descriptions", () => {
  const sdp = (fingerprint: string): string => `v=0\r\na=fingerprint:sha-256 ${fingerprint}\r\nm=audio 9 X 0\r\n`;

  it("tell a restarted server by its certificate", () => {
    assert.ok(sameCertificate(sdp("AA:BB"), sdp("aa:bb")));
    assert.ok(!sameCertificate(sdp("AA:BB"), sdp("AA:BC")));
  });
});

describe("device errors", () => {
  const named = (name: string): Error => Object.assign(new Error(name), { name });

  it("have one problem each, whatever the browser throws", () => {
    assert.equal(deviceProblem(named("NotAllowedError")), "denied");
    assert.equal(deviceProblem(named("NotFoundError")), "missing");
    assert.equal(deviceProblem(named("NotReadableError")), "in_use");
    assert.equal(deviceProblem(named("TypeError")), "failed");
    assert.equal(deviceProblem("?"), "failed");
  });
});

describe("a position", () => {
  it("leaves out what the device does not know", () => {
    const coordinates = { latitude: 48.7, longitude: -3.5, accuracy: 12, altitude: null, heading: NaN };
    assert.deepEqual(toPosition(coordinates as GeolocationCoordinates), { lat: 48.7, lng: -3.5, accuracyM: 12 });
  });
});
