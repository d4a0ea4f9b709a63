/** Values that tests are made of. */

import type { JoinResult, Media, Participant, RoomInfo, Track } from "../src/signalling/protocol";
import type { Memory, Page } from "../src/session/credentials";
import { initialState, type SessionEvent, type SessionState } from "../src/session/state";
import { update } from "../src/session/update";

export const memory: Memory = {
  credentials: { convId: "88a2c81a", pwd: "012345" },
  resumeToken: null,
  convId: null,
  name: null,
  consent: false,
  geolocation: null,
};

export const room: RoomInfo = {
  convId: "88a2c81a",
  kind: "assistance",
  name: "Boiler",
  state: "invited",
  reference: "TCK-1",
  agentName: "Camille",
  geolocation: "off",
  record: "manual",
  termsUrl: "https://example.org/terms",
  language: "en",
  startTime: "2026-01-01T10:00:00.000+00:00",
  endTime: "2026-01-01T10:30:00.000+00:00",
};

export function track(source: Track["source"], participantId: string, muted = false): Track {
  const kind = source === "microphone" ? "audio" : "video";
  return { trackId: `${participantId}-${source}`, participantId, kind, source, muted };
}

export function participant(participantId: string, role: Participant["role"], tracks: Track[] = []): Participant {
  return { participantId, role, name: "", connection: "connected", tracks };
}

export const joinResult: JoinResult = {
  participantId: "me",
  role: "requester",
  resumeToken: "resume-1",
  room,
  participants: [participant("me", "requester")],
  recording: null,
  medias: [],
  iceServers: [],
  now: "2026-01-01T10:00:05.000+00:00",
};

export const photo: Media = {
  id: 1,
  hash: "445f0780-b2fc-11ed-89d4-09e76cc8a403",
  title: "diag_snapshot_1677103206155",
  type: "image/jpeg",
  status: "completed",
  url: "/media/showVideo/0/hash/445f0780?exp=1&sig=2",
  created: "2026-01-01T10:01:00.000+00:00",
};

export const composite: Media = { ...photo, id: 2, hash: "aec9aca0", title: "0YW553BN-1-composite", type: "video/mp4" };

/** The state after `events`, and the effects of the last of them. */
export function after(state: SessionState, ...events: SessionEvent[]): { state: SessionState; effects: readonly string[] } {
  let effects: readonly string[] = [];
  for (const event of events) ({ state, effects } = update(state, event));
  return { state, effects };
}

export function fresh(page: Page = "requester", change: Partial<Memory> = {}): SessionState {
  return initialState(page, { ...memory, ...change });
}

const AT_MS = Date.parse("2026-01-01T10:00:00.000+00:00");

export function joinedEvent(change: Partial<JoinResult> = {}): SessionEvent {
  return { type: "joined", result: { ...joinResult, ...change }, atMs: AT_MS };
}

export function lookedUp(
  change: Partial<RoomInfo> = {},
  role: JoinResult["role"] = "requester",
  name: string | null = null,
): SessionEvent {
  return { type: "looked-up", result: { room: { ...room, ...change }, role, name } };
}

/** A running session of the given page. */
export function live(page: Page = "requester", change: Partial<JoinResult> = {}): SessionState {
  const role = page === "requester" ? "requester" : page === "agent" ? "agent" : "participant";
  const start = fresh(page, { consent: true, name: "Alex" });
  return after(start, { type: "line-up" }, lookedUp({}, role), joinedEvent({ role, ...change })).state;
}
