/**
 * Performs what the state machine asks for: talks to the server, to the devices and to the media connection.
 *
 * Owns the line, the devices, the peer connection and the locator of one page, and their lives. Everything that
 * happens comes back as an event to the store.
 */

import { Devices } from "../media/devices";
import { Peer } from "../media/peer";
import { Recovery } from "../media/recovery";
import { RemoteStreams } from "../media/streams";
import { CallError, SignallingClient, type Signalling, type SignallingListener } from "../signalling/client";
import type { Calls, Credentials, JoinRequest, Media, Track } from "../signalling/protocol";
import { remember, type Memory, type Page, type TabStorage } from "./credentials";
import { Locator } from "./locator";
import { initialState, isRecording, others, self, type Effect, type MediaPath } from "./state";
import { Store } from "./store";
import { keepScreenAwake, type WakeLock } from "./wakelock";

/** Names the wording of the consent card; changes whenever the wording does. */
export const CONSENT_VERSION = "1";
const CHECK_INTERVAL_MS = 500;
/** This many new connections in vain, and it is the network. */
const BLOCKED_AFTER = 2;

type LocalSource = "microphone" | "camera";
type OpenLine = (listener: SignallingListener) => Signalling;

const openSignalling: OpenLine = (listener) => new SignallingClient(listener);

export class Runtime {
  readonly store: Store;
  readonly streams = new RemoteStreams();
  /** What this device shows, for its own preview. */
  readonly preview = new MediaStream();
  readonly #storage: TabStorage;
  readonly #line: Signalling;
  readonly #locator: Locator;
  readonly #tracks = new Map<LocalSource, MediaStreamTrack | null>();
  #devices: Devices | null = null;
  #peer: Peer | null = null;
  #recovery = new Recovery();
  #wakeLock: WakeLock | null = null;
  #everConnected = false;
  readonly #mutesUnderWay = new Set<string>();

  constructor(page: Page, memory: Memory | null, storage: TabStorage, openLine: OpenLine = openSignalling) {
    this.#storage = storage;
    this.store = new Store(initialState(page, memory), (effect) => this.#perform(effect));
    this.#line = openLine({
      onUp: () => this.store.dispatch({ type: "line-up" }),
      onDown: () => this.store.dispatch({ type: "line-down" }),
      onEvent: (event) => this.store.dispatch({ type: "told", event }),
    });
    this.#locator = new Locator((position) => void this.#call("position", position).catch(() => undefined));
  }

  /** Starts for the life of the page. */
  start(): void {
    if (this.store.state.memory === null) {
      this.store.dispatch({ type: "lookup-refused", code: "no_link" });
      return;
    }
    if (!("RTCPeerConnection" in window)) {
      this.store.dispatch({ type: "lookup-refused", code: "unsupported_browser" });
      return;
    }
    setInterval(() => this.#mend(), CHECK_INTERVAL_MS);
    window.addEventListener("online", () => this.#recovery.nudge(performance.now()));
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "visible") void this.#devices?.revive();
    });
    this.#line.open();
  }

  // What the person does.

  readonly setMicrophone = async (on: boolean): Promise<void> => this.#devices?.setMicrophone(on);
  readonly setCamera = async (on: boolean): Promise<void> => this.#devices?.setCamera(on);
  readonly switchCamera = async (): Promise<void> => this.#devices?.switchCamera();

  /** Takes a photo of the requester's camera; null when it failed, which has then been said. */
  readonly takeSnapshot = async (): Promise<Media | null> => {
    const result = await this.#ask("snapshot", {});
    if (!result) return null;
    this.store.dispatch({ type: "media-listed", media: result.media });
    return result.media;
  };

  readonly toggleRecording = async (): Promise<void> => {
    const result = await this.#ask(isRecording(this.store.state) ? "recording-stop" : "recording-start", {});
    if (result) this.store.dispatch({ type: "recording-told", recording: result.recording });
  };

  // Effects.

  #perform(effect: Effect): void {
    switch (effect) {
      case "reopen-line":
        return this.#line.reopen();
      case "close-line":
        return this.#line.close();
      case "lookup":
        return void this.#lookup();
      case "join":
        return void this.#join();
      case "locate":
        return void this.#locate();
      case "start-devices":
        return this.#startDevices();
      case "sync-media":
        return this.#syncMedia();
      case "release-media":
        return this.#releaseMedia();
      case "leave":
        return void this.#leave();
      case "remember":
        return remember(this.#storage, this.store.state.page, this.store.state.memory);
    }
  }

  async #lookup(): Promise<void> {
    const { memory } = this.store.state;
    if (!memory) return;
    try {
      this.store.dispatch({ type: "looked-up", result: await this.#call("lookup", memory.credentials) });
    } catch (error) {
      this.store.dispatch({ type: "lookup-refused", code: codeOf(error) });
    }
  }

  async #join(): Promise<void> {
    const { memory } = this.store.state;
    // A line that is down asks again once it is up.
    if (!memory || !this.store.state.online) return;
    try {
      const result = await this.#call("join", joinRequest(memory));
      this.store.dispatch({ type: "joined", result, atMs: Date.now() });
    } catch (error) {
      this.store.dispatch({ type: "join-refused", code: codeOf(error) });
      return;
    }
    this.#wakeLock ??= keepScreenAwake();
    if (this.#locator.latest) void this.#call("position", this.#locator.latest).catch(() => undefined);
    // The server forgot, or never had, what this connection carries.
    this.#peer?.renegotiate();
  }

  async #locate(): Promise<void> {
    const required = this.store.state.room?.geolocation === "required";
    this.store.dispatch({ type: "located", answer: await this.#locator.ask(required) });
  }

  async #leave(): Promise<void> {
    const end = this.store.state.page === "agent";
    await this.#call("leave", { end }).catch(() => undefined);
    if (this.store.state.phase === "ended") this.#line.close();
  }

  #startDevices(): void {
    this.#devices ??= new Devices(this.store.state.page === "requester" ? "environment" : "user", {
      onMicrophone: (change) => {
        this.store.dispatch({ type: "device-changed", device: "microphone", change });
        this.#tellMutes();
      },
      onCamera: (change) => {
        this.store.dispatch({ type: "device-changed", device: "camera", change });
        this.#tellMutes();
      },
      onTrack: (source, track) => this.#useTrack(source, track),
    });
    void this.#devices.start();
  }

  #useTrack(source: LocalSource, track: MediaStreamTrack | null): void {
    const former = this.#tracks.get(source);
    this.#tracks.set(source, track);
    if (source === "camera") {
      if (former) this.preview.removeTrack(former);
      if (track) this.preview.addTrack(track);
    }
    this.#peer?.setTrack(source, track);
  }

  #syncMedia(): void {
    const { state } = this.store;
    const tracks = others(state).flatMap((participant) => participant.tracks);
    if (!this.#peer) {
      this.#peer = this.#openPeer();
      this.#recovery.begin(performance.now());
      for (const [source, track] of this.#tracks) this.#peer.setTrack(source, track);
    }
    this.#peer.setWanted(tracks.map(({ trackId, kind }) => ({ trackId, kind })));
    this.streams.arrange(tracks);
    this.#tellMutes();
  }

  #openPeer(): Peer {
    const { iceServers, page } = this.store.state;
    return new Peer(
      { iceServers, keepDetail: page === "requester" },
      {
        negotiate: async (request) => (await this.#call("negotiate", request)).sdp,
        onState: (state) => {
          this.#recovery.onState(state, performance.now());
          this.#tellMediaPath();
        },
        onRemoteTrack: (trackId, track) => {
          this.streams.receive(trackId, track);
          this.streams.arrange(others(this.store.state).flatMap((participant) => participant.tracks));
        },
        onRefused: (error) => this.#offerRefused(codeOf(error)),
      },
    );
  }

  #offerRefused(code: string): void {
    if (code === "connection_lost") {
      this.#peer?.rebuild();
      return;
    }
    // A lost line offers again after joining again; a track that is gone is taken out by its own event.
    if (code !== "no_connection" && code !== "unknown_track") this.store.dispatch({ type: "noticed", code });
  }

  #releaseMedia(): void {
    this.#devices?.release();
    this.#devices = null;
    this.#tracks.clear();
    for (const track of this.preview.getTracks()) this.preview.removeTrack(track);
    this.#peer?.close();
    this.#peer = null;
    this.#recovery = new Recovery();
    this.#everConnected = false;
    this.#locator.stop();
    this.#wakeLock?.release();
    this.#wakeLock = null;
  }

  #mend(): void {
    if (!this.#peer || !this.store.state.online || this.store.state.phase !== "live") return;
    const remedy = this.#recovery.next(performance.now());
    if (remedy === "restart-ice") this.#peer.restartIce();
    else if (remedy === "rebuild") this.#peer.rebuild();
    if (remedy) this.#tellMediaPath();
  }

  #tellMediaPath(): void {
    const path = this.#mediaPath();
    if (path !== this.store.state.mediaPath) this.store.dispatch({ type: "media-path-changed", path });
  }

  #mediaPath(): MediaPath {
    if (this.#peer?.state === "connected") {
      this.#everConnected = true;
      return "connected";
    }
    if (this.#recovery.rebuilds >= BLOCKED_AFTER) return "blocked";
    return this.#everConnected ? "interrupted" : "connecting";
  }

  /** The server learns of every mute, in whatever order the device and the publication of its track come. */
  #tellMutes(): void {
    const { state } = this.store;
    for (const track of self(state)?.tracks ?? []) {
      if (track.source === "screen") continue;
      const { status } = state[track.source];
      if (status === "starting" || track.muted === (status === "off")) continue;
      if (this.#mutesUnderWay.has(track.trackId)) continue;
      void this.#mute(track, !track.muted);
    }
  }

  async #mute({ trackId, participantId }: Track, muted: boolean): Promise<void> {
    this.#mutesUnderWay.add(trackId);
    try {
      await this.#call("mute", { trackId, muted });
    } catch {
      // Unknown by now, or the line is down: the next publication or join tells again.
      return;
    } finally {
      this.#mutesUnderWay.delete(trackId);
    }
    const payload = { trackId, participantId, muted };
    this.store.dispatch({ type: "told", event: { name: "track-muted", payload } });
    this.#tellMutes();
  }

  #call<N extends keyof Calls>(name: N, payload: Calls[N]["payload"]): Promise<Calls[N]["result"]> {
    return this.#line.call(name, payload);
  }

  /** A call that the person asked for: a refusal is said in words. */
  async #ask<N extends keyof Calls>(name: N, payload: Calls[N]["payload"]): Promise<Calls[N]["result"] | null> {
    try {
      return await this.#call(name, payload);
    } catch (error) {
      this.store.dispatch({ type: "noticed", code: codeOf(error) });
      return null;
    }
  }
}

function codeOf(error: unknown): string {
  return error instanceof CallError ? error.code : "internal";
}

function joinRequest({ credentials, resumeToken, convId, name, consent, geolocation }: Memory): JoinRequest {
  const identity: Credentials = resumeToken && convId ? { convId, resumeToken } : credentials;
  return {
    ...identity,
    ...(name && { name }),
    ...(consent && { consent: { accepted: true, version: CONSENT_VERSION } }),
    ...(geolocation && { geolocation }),
  };
}
