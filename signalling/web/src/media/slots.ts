/**
 * Which receiving section carries which remote track.
 *
 * A section cannot be taken out of a session description, so one whose track ended is kept idle and given to the
 * next track of its kind: a long session with many comings and goings does not grow its offers. Pure bookkeeping,
 * generic in the transceiver so that it is tested without a browser.
 */

import type { TrackKind } from "../signalling/protocol";

export interface WantedTrack {
  trackId: string;
  kind: TrackKind;
}

export interface Slot<T> {
  readonly kind: TrackKind;
  readonly transceiver: T;
  /** The track that the section carries; null while idle. */
  trackId: string | null;
}

export class ReceiveSlots<T> {
  readonly #slots: Slot<T>[] = [];
  readonly #open: (kind: TrackKind) => T;

  /** @param open makes a new receiving section when no idle one fits. */
  constructor(open: (kind: TrackKind) => T) {
    this.#open = open;
  }

  get all(): readonly Slot<T>[] {
    return this.#slots;
  }

  /** Makes the slots carry exactly `wanted`; returns the slots that changed. */
  assign(wanted: readonly WantedTrack[]): Slot<T>[] {
    const changed = new Set<Slot<T>>();
    const wantedIds = new Set(wanted.map(({ trackId }) => trackId));
    for (const slot of this.#slots) {
      if (slot.trackId !== null && !wantedIds.has(slot.trackId)) {
        slot.trackId = null;
        changed.add(slot);
      }
    }
    const carried = new Set(this.#slots.map(({ trackId }) => trackId));
    for (const { trackId, kind } of wanted) {
      if (carried.has(trackId)) continue;
      carried.add(trackId);
      changed.add(this.#take(trackId, kind));
    }
    return [...changed];
  }

  #take(trackId: string, kind: TrackKind): Slot<T> {
    let slot = this.#slots.find((candidate) => candidate.trackId === null && candidate.kind === kind);
    if (!slot) {
      slot = { kind, transceiver: this.#open(kind), trackId: null };
      this.#slots.push(slot);
    }
    slot.trackId = trackId;
    return slot;
  }
}
