/**
 * The one RTCPeerConnection to the server: what is sent, what is received, and the offers for both.
 *
 * The client makes every offer (`signalling/README.md`), one at a time: a change that comes while an offer is
 * under way makes another one afterwards. The server is ICE-lite behind one known address, so no candidates
 * are exchanged. A connection that is beyond repair is replaced by a new one with `rebuild`.
 */

import type { NegotiateRequest, TrackSource } from "../signalling/protocol";
import { sameCertificate } from "./sdp";
import { ReceiveSlots, type WantedTrack } from "./slots";

/** Enough for 720p30 of a moving picture; the server's feedback lowers it on a slow network. */
const MAX_VIDEO_BITRATE_BPS = 2_500_000;

export interface PeerListener {
  /** Sends the offer and resolves to the answer. May throw: the offer is then taken back. */
  negotiate(request: NegotiateRequest): Promise<string>;
  onState(state: RTCPeerConnectionState): void;
  /** The received track for a wanted one, or null once it is no longer received. */
  onRemoteTrack(trackId: string, track: MediaStreamTrack | null): void;
  /** An offer was refused; the next change tries again. */
  onRefused(error: unknown): void;
}

export interface PeerOptions {
  iceServers: RTCIceServer[];
  /** On a slow network, show fewer frames rather than less detail. */
  keepDetail: boolean;
}

export class Peer {
  readonly #listener: PeerListener;
  readonly #options: PeerOptions;
  readonly #local = new Map<TrackSource, MediaStreamTrack | null>();
  #wanted: readonly WantedTrack[] = [];
  #pc: RTCPeerConnection;
  #senders = new Map<TrackSource, RTCRtpTransceiver>();
  #slots: ReceiveSlots<RTCRtpTransceiver>;
  #answer: string | null = null;
  #dirty = false;
  #restart = false;
  /** The connection whose offers are being made: a new one does not wait for the former one's answer. */
  #negotiating: RTCPeerConnection | null = null;
  #closed = false;

  constructor(options: PeerOptions, listener: PeerListener) {
    this.#options = options;
    this.#listener = listener;
    this.#pc = this.#open();
    this.#slots = this.#openSlots();
  }

  get state(): RTCPeerConnectionState {
    return this.#pc.connectionState;
  }

  /** For statistics only. */
  get connection(): RTCPeerConnection {
    return this.#pc;
  }

  /** Sends `track` as `source`; null sends nothing and keeps the section for later. */
  setTrack(source: TrackSource, track: MediaStreamTrack | null): void {
    this.#local.set(source, track);
    const transceiver = this.#senders.get(source);
    if (transceiver) void transceiver.sender.replaceTrack(track);
    else if (track) this.#addSender(source, track);
  }

  /** Receives exactly these tracks. */
  setWanted(wanted: readonly WantedTrack[]): void {
    this.#wanted = wanted;
    this.#applyWanted();
  }

  /** Offers again what is there: the line to the server is new, or an offer was refused. */
  renegotiate(): void {
    if (this.#senders.size + this.#slots.all.length === 0) return;
    this.#dirty = true;
    void this.#run();
  }

  restartIce(): void {
    this.#restart = true;
    this.renegotiate();
  }

  /** A new connection with the same content. */
  rebuild(): void {
    if (this.#closed) return;
    for (const { trackId } of this.#slots.all) if (trackId) this.#listener.onRemoteTrack(trackId, null);
    this.#discard();
    this.#pc = this.#open();
    this.#slots = this.#openSlots();
    this.#senders = new Map();
    this.#answer = null;
    for (const [source, track] of this.#local) if (track) this.#addSender(source, track);
    this.#applyWanted();
  }

  close(): void {
    this.#closed = true;
    this.#discard();
  }

  #open(): RTCPeerConnection {
    const pc = new RTCPeerConnection({ iceServers: this.#options.iceServers, bundlePolicy: "max-bundle" });
    pc.addEventListener("connectionstatechange", () => {
      if (pc === this.#pc) this.#listener.onState(pc.connectionState);
    });
    return pc;
  }

  #openSlots(): ReceiveSlots<RTCRtpTransceiver> {
    return new ReceiveSlots((kind) => this.#pc.addTransceiver(kind, { direction: "recvonly" }));
  }

  #discard(): void {
    this.#pc.close();
  }

  #addSender(source: TrackSource, track: MediaStreamTrack): void {
    const encoding = track.kind === "video" ? { maxBitrate: MAX_VIDEO_BITRATE_BPS } : {};
    this.#senders.set(source, this.#pc.addTransceiver(track, { direction: "sendonly", sendEncodings: [encoding] }));
    this.renegotiate();
  }

  #applyWanted(): void {
    const before = new Map(this.#slots.all.map((slot) => [slot, slot.trackId]));
    const changed = this.#slots.assign(this.#wanted);
    for (const slot of changed) {
      const former = before.get(slot);
      if (former) this.#listener.onRemoteTrack(former, null);
      slot.transceiver.direction = slot.trackId === null ? "inactive" : "recvonly";
    }
    if (changed.length > 0) this.renegotiate();
  }

  async #run(): Promise<void> {
    const pc = this.#pc;
    if (this.#negotiating === pc) return;
    this.#negotiating = pc;
    // Changes that belong together arrive in one turn; one offer carries them all.
    await Promise.resolve();
    while (this.#dirty && pc === this.#pc && !this.#closed) {
      this.#dirty = false;
      try {
        await this.#negotiateOnce(pc);
      } catch (error) {
        // A connection that was replaced or closed meanwhile fails as it should.
        if (pc === this.#pc && !this.#closed) await this.#takeBack(pc, error);
      }
    }
    if (this.#negotiating === pc) this.#negotiating = null;
  }

  async #negotiateOnce(pc: RTCPeerConnection): Promise<void> {
    if (this.#restart) pc.restartIce();
    await pc.setLocalDescription();
    const answer = await this.#listener.negotiate(this.#request(pc));
    if (pc !== this.#pc || this.#closed) return;
    if (this.#answer !== null && !sameCertificate(this.#answer, answer)) {
      this.rebuild();
      return;
    }
    await pc.setRemoteDescription({ type: "answer", sdp: answer });
    this.#answer = answer;
    this.#restart = false;
    if (this.#options.keepDetail) await this.#keepDetail();
    for (const { trackId, transceiver } of this.#slots.all) {
      if (trackId && transceiver.currentDirection === "recvonly") {
        this.#listener.onRemoteTrack(trackId, transceiver.receiver.track);
      }
    }
  }

  #request(pc: RTCPeerConnection): NegotiateRequest {
    const publications = [...this.#senders].flatMap(([source, { mid }]) => (mid === null ? [] : [{ mid, source }]));
    const subscriptions = this.#slots.all.flatMap(({ trackId, transceiver: { mid } }) =>
      mid === null || trackId === null ? [] : [{ mid, trackId }],
    );
    return { sdp: pc.localDescription?.sdp ?? "", publications, subscriptions };
  }

  async #takeBack(pc: RTCPeerConnection, error: unknown): Promise<void> {
    if (pc.signalingState === "have-local-offer") await pc.setLocalDescription({ type: "rollback" });
    this.#listener.onRefused(error);
  }

  /** A content hint of "detail" would do it too, but makes Chromium treat the camera as a screen: few frames. */
  async #keepDetail(): Promise<void> {
    const sender = this.#senders.get("camera")?.sender;
    if (!sender) return;
    const parameters = sender.getParameters();
    if (parameters.degradationPreference === "maintain-resolution") return;
    parameters.degradationPreference = "maintain-resolution";
    // Firefox knows no such parameter and may refuse it; its default serves.
    await sender.setParameters(parameters).catch(() => undefined);
  }
}
