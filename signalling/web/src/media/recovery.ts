/**
 * When to mend the media path, and how: ICE restart first, then a new connection, ever more patiently.
 *
 * Pure state with the time as an argument. The caller asks `next` a few times per second.
 */

/** A short gap closes by itself; a longer one is mended. */
const PATIENCE_MS = 3_000;
/** A restarted path needs a few round trips. */
const RESTART_MS = 4_000;
/** A new connection needs a few round trips more; each further attempt waits longer. */
const REBUILD_MS = 8_000;
const MAX_REBUILD_MS = 20_000;

export type Remedy = "restart-ice" | "rebuild";

export class Recovery {
  #connected = false;
  #deadlineMs: number | null = null;
  #step: Remedy = "rebuild";
  #rebuilds = 0;

  /** New connections tried in vain since the path last worked. */
  get rebuilds(): number {
    return this.#rebuilds;
  }

  /** The first offer is on its way. */
  begin(nowMs: number): void {
    this.#deadlineMs ??= nowMs + REBUILD_MS;
  }

  onState(state: RTCPeerConnectionState, nowMs: number): void {
    if (state === "connected") {
      this.#connected = true;
      this.#deadlineMs = null;
      this.#rebuilds = 0;
    } else if (state === "disconnected" && this.#connected) {
      this.#broken(nowMs + PATIENCE_MS);
    } else if (state === "failed") {
      if (this.#connected) this.#broken(nowMs);
      // A connection that never worked, or that a restart did not help.
      else this.#deadlineMs = Math.min(this.#deadlineMs ?? nowMs, nowMs + PATIENCE_MS);
    }
  }

  /** The network came back or changed: no reason to wait any longer. */
  nudge(nowMs: number): void {
    if (this.#deadlineMs !== null) this.#deadlineMs = nowMs;
  }

  /** What to do now, if anything. */
  next(nowMs: number): Remedy | null {
    if (this.#deadlineMs === null || nowMs < this.#deadlineMs) return null;
    const remedy = this.#step;
    if (remedy === "restart-ice") {
      this.#step = "rebuild";
      this.#deadlineMs = nowMs + RESTART_MS;
    } else {
      this.#rebuilds += 1;
      this.#deadlineMs = nowMs + Math.min(REBUILD_MS * this.#rebuilds, MAX_REBUILD_MS);
    }
    return remedy;
  }

  #broken(deadlineMs: number): void {
    this.#connected = false;
    this.#step = "restart-ice";
    this.#deadlineMs = deadlineMs;
  }
}
