/** What the browser says when a device cannot be used, as one of the problems that have words. */

import type { DeviceProblem } from "../session/state";

/** Maps what `getUserMedia` threw (Media Capture and Streams, section 10.2). */
export function deviceProblem(error: unknown): DeviceProblem {
  switch (error instanceof Error ? error.name : "") {
    case "NotAllowedError":
    case "SecurityError":
      return "denied";
    case "NotFoundError":
    case "OverconstrainedError":
      return "missing";
    case "NotReadableError":
    case "AbortError":
      return "in_use";
    default:
      return "failed";
  }
}
