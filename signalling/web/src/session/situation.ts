/** What there is to say about a running session, most urgent first; pure. */

import type { Participant, Role } from "../signalling/protocol";
import { trackOf } from "./roster";
import { isReconnecting, others, type SessionState } from "./state";

/** `other` is the person whom it is about. */
export type Situation =
  | { kind: "reconnecting" | "blocked" | "waiting" | "connecting" }
  | { kind: "joining" | "unstable" | "away" | "no_picture" | "live"; other: Participant };

const COUNTERPARTS: Readonly<Record<Role, Role | null>> = {
  requester: "agent",
  agent: "requester",
  moderator: null,
  participant: null,
};

/** The other side of an assistance session: the agent for the requester and the other way round. */
export function counterpart(state: SessionState): Participant | undefined {
  const everyone = others(state);
  const role = state.role && COUNTERPARTS[state.role];
  return everyone.find((participant) => participant.role === role) ?? everyone[0];
}

export function situation(state: SessionState): Situation {
  if (isReconnecting(state)) return { kind: "reconnecting" };
  if (state.mediaPath === "blocked") return { kind: "blocked" };
  const other = counterpart(state);
  if (!other) return { kind: "waiting" };
  if (other.connection === "away") return { kind: "away", other };
  if (other.connection === "interrupted") return { kind: "unstable", other };
  if (other.connection === "new" || other.connection === "connecting") return { kind: "joining", other };
  if (state.mediaPath === "connecting") return { kind: "connecting" };
  if (!showsPicture(other)) return { kind: "no_picture", other };
  return { kind: "live", other };
}

export function showsPicture(participant: Participant): boolean {
  const camera = trackOf(participant, "camera");
  return camera !== undefined && !camera.muted;
}

/** Why no photo can be taken right now, or null when one can. */
export function photoObstacle(state: SessionState): "no_one" | "no_picture" | "offline" | null {
  if (!state.online) return "offline";
  const other = counterpart(state);
  if (!other) return "no_one";
  return showsPicture(other) && other.connection !== "away" ? null : "no_picture";
}
