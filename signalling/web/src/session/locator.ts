/** The position of this device: one answer for joining, then fixes for as long as the session runs. */

import type { Geolocation as Answer, Position } from "../signalling/protocol";

/** Without an answer by then the person goes on; a later fix still counts. */
const OPTIONAL_WAIT_MS = 10_000;
/** Fixes come every second on some phones; one in ten is plenty for a photo. */
const MIN_INTERVAL_MS = 10_000;

export function toPosition({ latitude, longitude, accuracy, altitude, heading }: GeolocationCoordinates): Position {
  return {
    lat: latitude,
    lng: longitude,
    ...(Number.isFinite(accuracy) && { accuracyM: accuracy }),
    ...(altitude !== null && Number.isFinite(altitude) && { altitudeM: altitude }),
    ...(heading !== null && Number.isFinite(heading) && { headingDeg: heading }),
  };
}

export class Locator {
  readonly #onPosition: (position: Position) => void;
  #watch: number | null = null;
  #reportedMs = -Infinity;
  /** The newest fix; kept for a session that is not joined yet. */
  latest: Position | null = null;

  constructor(onPosition: (position: Position) => void) {
    this.#onPosition = onPosition;
  }

  /**
   * Asks the person, and goes on watching when they agree.
   *
   * @param required waits as long as it takes for yes or no, because without it there is no joining.
   */
  async ask(required: boolean): Promise<Answer> {
    if (!("geolocation" in navigator) || !window.isSecureContext) return "unavailable";
    this.stop();
    return new Promise((resolve) => {
      const timer = required ? undefined : setTimeout(() => resolve("unavailable"), OPTIONAL_WAIT_MS);
      const answer = (value: Answer): void => {
        clearTimeout(timer);
        resolve(value);
      };
      // The permission is known before the first fix, which can take a minute indoors.
      void grantedSoon(() => answer("granted"));
      this.#watch = navigator.geolocation.watchPosition(
        ({ coords }) => {
          this.#fix(toPosition(coords));
          answer("granted");
        },
        (error) => {
          if (error.code === error.PERMISSION_DENIED) answer("denied");
          else if (error.code === error.POSITION_UNAVAILABLE) answer("unavailable");
        },
        { enableHighAccuracy: true, maximumAge: 30_000 },
      );
    });
  }

  stop(): void {
    if (this.#watch !== null) navigator.geolocation.clearWatch(this.#watch);
    this.#watch = null;
  }

  #fix(position: Position): void {
    this.latest = position;
    const nowMs = performance.now();
    if (nowMs - this.#reportedMs < MIN_INTERVAL_MS) return;
    this.#reportedMs = nowMs;
    this.#onPosition(position);
  }
}

async function grantedSoon(onGranted: () => void): Promise<void> {
  try {
    const status = await navigator.permissions.query({ name: "geolocation" });
    if (status.state === "granted") onGranted();
    else status.addEventListener("change", () => status.state === "granted" && onGranted());
  } catch {
    // A browser that does not tell: the first fix is the answer.
    return;
  }
}
