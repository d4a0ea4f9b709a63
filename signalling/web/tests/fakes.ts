/** Stand-ins for what the browser and the server bring. */

import { CallError, type Signalling, type SignallingListener } from "../src/signalling/client";
import type { Calls, NegotiateRequest } from "../src/signalling/protocol";

export const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Puts `value` in place of a global of the browser. */
export function stub(name: string, value: unknown): void {
  Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
}

export class FakeTrack extends EventTarget {
  readyState: "live" | "ended" = "live";
  enabled = true;

  constructor(
    readonly kind: "audio" | "video",
    readonly settings: MediaTrackSettings = {},
  ) {
    super();
  }

  getSettings(): MediaTrackSettings {
    return this.settings;
  }

  stop(): void {
    this.readyState = "ended";
  }

  /** As when the device is unplugged. */
  end(): void {
    this.stop();
    this.dispatchEvent(new Event("ended"));
  }
}

export class FakeStream {
  #tracks: unknown[] = [];
  getTracks(): unknown[] {
    return [...this.#tracks];
  }
  addTrack(track: unknown): void {
    this.#tracks.push(track);
  }
  removeTrack(track: unknown): void {
    this.#tracks = this.#tracks.filter((entry) => entry !== track);
  }
}

export class FakeTransceiver {
  mid: string | null = null;
  currentDirection: string | null = null;
  readonly receiver = { track: new FakeTrack("video") };
  readonly sender;

  constructor(
    track: unknown,
    public direction: string,
  ) {
    this.sender = {
      track: typeof track === "string" ? null : track,
      replaceTrack: async (next: unknown): Promise<void> => {
        this.sender.track = next;
      },
      getParameters: (): { degradationPreference?: string } => ({}),
      setParameters: async (): Promise<void> => undefined,
    };
  }
}

/** As much of a connection as offers and answers need. */
export class FakeConnection extends EventTarget {
  static all: FakeConnection[] = [];
  connectionState: RTCPeerConnectionState = "new";
  signalingState = "stable";
  localDescription: { sdp: string } | null = null;
  readonly transceivers: FakeTransceiver[] = [];
  rollbacks = 0;
  iceRestarts = 0;
  closed = false;

  constructor() {
    super();
    FakeConnection.all.push(this);
  }

  addTransceiver(track: unknown, { direction }: { direction: string }): FakeTransceiver {
    const transceiver = new FakeTransceiver(track, direction);
    this.transceivers.push(transceiver);
    return transceiver;
  }

  async setLocalDescription(description?: { type: string }): Promise<void> {
    if (description?.type === "rollback") {
      this.rollbacks += 1;
      this.signalingState = "stable";
      return;
    }
    if (this.signalingState !== "stable") throw new Error("an offer is already under way");
    this.transceivers.forEach((transceiver, index) => (transceiver.mid = String(index)));
    this.signalingState = "have-local-offer";
    this.localDescription = { sdp: "offer" };
  }

  async setRemoteDescription(): Promise<void> {
    if (this.signalingState !== "have-local-offer") throw new Error("an answer without an offer");
    this.signalingState = "stable";
    for (const transceiver of this.transceivers) transceiver.currentDirection = transceiver.direction;
  }

  restartIce(): void {
    this.iceRestarts += 1;
  }

  close(): void {
    this.closed = true;
  }

  become(state: RTCPeerConnectionState): void {
    this.connectionState = state;
    this.dispatchEvent(new Event("connectionstatechange"));
  }
}

export const answer = (fingerprint = "AA"): string => `v=0\r\na=fingerprint:sha-256 ${fingerprint}\r\n`;

type Handler = { [N in keyof Calls]?: (payload: Calls[N]["payload"]) => Calls[N]["result"] };

/** A line whose server answers with `handler`; what it does not know is refused. */
export class FakeLine implements Signalling {
  readonly calls: { name: string; payload: unknown }[] = [];
  readonly log: string[] = [];

  constructor(
    readonly listener: SignallingListener,
    readonly handler: Handler,
  ) {}

  open(): void {
    this.log.push("open");
  }

  reopen(): void {
    this.log.push("reopen");
  }

  close(): void {
    this.log.push("close");
  }

  async call<N extends keyof Calls>(name: N, payload: Calls[N]["payload"]): Promise<Calls[N]["result"]> {
    this.calls.push({ name, payload });
    const handle = this.handler[name];
    if (!handle) throw new CallError("forbidden");
    return handle(payload);
  }

  of(name: keyof Calls): unknown[] {
    return this.calls.filter((call) => call.name === name).map(({ payload }) => payload);
  }

  get offers(): NegotiateRequest[] {
    return this.of("negotiate") as NegotiateRequest[];
  }
}
