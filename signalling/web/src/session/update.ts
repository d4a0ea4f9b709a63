/**
 * The session's state machine: `update(state, event)` gives the next state and what is to be done.
 *
 * Pure: no clock, no browser, no network. Which events mean something in which phase stands in `ACCEPTED`; any
 * other pair changes nothing and asks for nothing, because a late answer or a second click is no mistake.
 */

import type { JoinResult, LookupResult, Media, Participant, ServerEvent } from "../signalling/protocol";
import { withMute, withParticipant, withTrack, withoutParticipant, withoutTrack, type Roster } from "./roster";
import { isRecording, mayModerate, type Effect, type Phase, type SessionEvent, type SessionState } from "./state";

export interface Update {
  state: SessionState;
  effects: readonly Effect[];
}

type EventType = SessionEvent["type"];

const ALWAYS: readonly EventType[] = [
  "line-up",
  "line-down",
  "device-changed",
  "media-path-changed",
  "sound-blocked",
  "noticed",
  "notice-dismissed",
  "media-listed",
];

/** The events, beyond `ALWAYS`, that each phase takes. */
export const ACCEPTED: Readonly<Record<Phase, readonly EventType[]>> = {
  connecting: ["looked-up", "lookup-refused", "joined", "join-refused", "told"],
  consent: ["looked-up", "lookup-refused", "consented", "declined", "told"],
  name: ["looked-up", "lookup-refused", "named", "told"],
  position: ["looked-up", "lookup-refused", "located", "declined", "retried", "told"],
  joining: ["joined", "join-refused", "told"],
  live: ["joined", "join-refused", "told", "hung-up", "recording-told"],
  declined: ["retried"],
  ended: ["retried"],
  replaced: ["retried"],
  failed: ["retried"],
};

export function accepts(phase: Phase, type: EventType): boolean {
  return ALWAYS.includes(type) || ACCEPTED[phase].includes(type);
}

export function update(state: SessionState, event: SessionEvent): Update {
  if (!accepts(state.phase, event.type)) return { state, effects: [] };
  switch (event.type) {
    case "line-up":
      return lineUp({ ...state, online: true });
    case "line-down":
      return only({ ...state, online: false });
    case "looked-up":
      return lookedUp(state, event.result);
    case "lookup-refused":
      // A line that broke asks again by itself once it is up.
      return event.code === "no_connection" ? only(state) : fail(state, event.code);
    case "consented":
      return enterNext({ ...state, memory: state.memory && { ...state.memory, consent: true } });
    case "declined":
      return { state: { ...state, phase: "declined" }, effects: ["close-line"] };
    case "named":
      return enterNext({ ...state, memory: state.memory && { ...state.memory, name: event.name } });
    case "located":
      return enterNext({ ...state, memory: state.memory && { ...state.memory, geolocation: event.answer } });
    case "joined":
      return joined(state, event.result, event.atMs);
    case "join-refused":
      return joinRefused(state, event.code);
    case "hung-up":
      // On the agent's page it ends the session for everybody, elsewhere only one's own part in it.
      return end(state, state.page === "agent" ? "hang_up" : "left", ["leave", "release-media", "remember"]);
    case "retried":
      return retried(state);
    case "told":
      return told(state, event.event);
    case "media-path-changed":
      return only({ ...state, mediaPath: event.path });
    case "sound-blocked":
      return only({ ...state, soundBlocked: event.blocked });
    case "device-changed":
      return event.device === "camera"
        ? only({ ...state, camera: { ...state.camera, ...event.change } })
        : only({ ...state, microphone: { ...state.microphone, ...event.change } });
    case "media-listed":
      return only({ ...state, medias: withMedia(state.medias, event.media) });
    case "recording-told":
      return only({ ...state, recording: event.recording });
    case "noticed":
      return only(withNotice(state, event.code));
    case "notice-dismissed":
      return only({ ...state, notice: null });
  }
}

function only(state: SessionState): Update {
  return { state, effects: [] };
}

function withNotice(state: SessionState, code: string): SessionState {
  return { ...state, notice: { id: (state.notice?.id ?? 0) + 1, code } };
}

function fail(state: SessionState, code: string): Update {
  return {
    state: { ...state, phase: "failed", failure: code, mediaPath: "idle" },
    effects: ["release-media", "close-line"],
  };
}

function end(state: SessionState, reason: string, effects: Effect[]): Update {
  const memory = state.memory && { ...state.memory, resumeToken: null };
  return { state: { ...state, phase: "ended", endReason: reason, mediaPath: "idle", memory }, effects };
}

/** A new connection knows nothing of the former one: it looks the room up, or takes the seat again. */
function lineUp(state: SessionState): Update {
  switch (state.phase) {
    case "connecting":
      return { state, effects: [state.memory?.resumeToken ? "join" : "lookup"] };
    case "consent":
    case "name":
    case "position":
      return { state, effects: ["lookup"] };
    case "joining":
    case "live":
      return { state, effects: ["join"] };
    default:
      return only(state);
  }
}

function lookedUp(before: SessionState, { room, role, name }: LookupResult): Update {
  // What the person said of themselves goes before what the ticket says of them.
  const memory = before.memory && { ...before.memory, name: before.memory.name ?? name };
  const state = { ...before, room, role, memory };
  return state.phase === "connecting" ? enterNext(state) : only(state);
}

/** The first step that still has to be taken before the person may join. */
function nextStep({ page, role, room, memory }: SessionState): Phase {
  // Whoever opens the agent's link is at work: known by name, and sharing nothing they were not asked for.
  if (page !== "agent" && !memory?.consent) return "consent";
  if (page !== "agent" && memory?.name == null) return "name";
  if (role === "requester" && room && room.geolocation !== "off") {
    const answer = memory?.geolocation ?? null;
    if (answer === null || (room.geolocation === "required" && answer !== "granted")) return "position";
  }
  return "joining";
}

function enterNext(state: SessionState): Update {
  const phase = nextStep(state);
  const effects: Effect[] = ["remember"];
  // Asked on entering only: an answer that leaves the step where it is waits for the person to try again.
  if (phase === "position" && state.phase !== "position") effects.push("locate");
  if (phase === "joining") {
    effects.push("join", "start-devices");
    // Agreed to before a reload: the position is read again without a question.
    if (state.phase === "connecting" && state.memory?.geolocation === "granted") effects.push("locate");
  }
  return { state: { ...state, phase }, effects };
}

function joined(state: SessionState, result: JoinResult, atMs: number): Update {
  const { participantId, role, room, participants, recording, medias, iceServers, now, resumeToken } = result;
  const first = state.phase !== "live";
  // Back by the token alone, after a reload: consent and name were given before it, the position is asked again.
  const resumed = state.phase === "connecting";
  const effects: Effect[] = ["remember", "sync-media"];
  if (resumed) effects.push("start-devices");
  if (resumed && role === "requester" && room.geolocation !== "off") effects.push("locate");
  // Whoever recorded has to know that the server lost the recording with the line.
  const cut = !first && mayModerate(state) && isRecording(state) && !isRecording({ ...state, recording });
  return {
    state: {
      ...(cut ? withNotice(state, "recording_cut") : state),
      phase: "live",
      selfId: participantId,
      roster: withSelf(participants, { participantId, role, name: state.memory?.name ?? null }),
      clockOffsetMs: Date.parse(now) - atMs || 0,
      memory: state.memory && { ...state.memory, resumeToken, convId: room.convId },
      mediaPath: first ? "connecting" : state.mediaPath,
      endReason: null,
      role,
      room,
      recording,
      medias,
      iceServers,
    },
    effects,
  };
}

/** The server's list, with ourselves in it: our own tracks are announced like everybody's. */
function withSelf(participants: Roster, me: Pick<Participant, "participantId" | "role" | "name">): Roster {
  const listed = participants.some(({ participantId }) => participantId === me.participantId);
  return listed ? participants : [...participants, { ...me, connection: "new", tracks: [] }];
}

function joinRefused(state: SessionState, code: string): Update {
  const memory = state.memory;
  if (code === "no_connection") {
    // The line may be up but deaf; a new one asks again by itself.
    return { state, effects: state.online ? ["reopen-line"] : [] };
  }
  if (code === "access_denied" && memory?.resumeToken) {
    // The seat was given up: back to the door, with the link's own credentials.
    const fresh: SessionState = { ...state, phase: "connecting", memory: { ...memory, resumeToken: null }, selfId: null };
    return { state: fresh, effects: ["remember", "reopen-line"] };
  }
  if ((code === "consent_required" || code === "position_required") && memory) {
    // What was answered before a reload does not count any more: look the room up and ask again.
    const forgetful = { ...memory, consent: memory.consent && code !== "consent_required", geolocation: null };
    return { state: { ...state, phase: "connecting", memory: forgetful }, effects: ["lookup"] };
  }
  if (state.selfId && (code === "room_ended" || code === "room_expired")) {
    return end(state, "closed", ["release-media", "close-line", "remember"]);
  }
  return fail(state, code);
}

function retried(state: SessionState): Update {
  switch (state.phase) {
    case "position":
      return {
        state: { ...state, memory: state.memory && { ...state.memory, geolocation: null } },
        effects: ["locate"],
      };
    case "declined":
    case "ended":
    case "replaced":
    case "failed":
      return {
        state: { ...state, phase: "connecting", failure: null, endReason: null, endsAt: null },
        effects: ["reopen-line"],
      };
    default:
      return only(state);
  }
}

function told(state: SessionState, event: ServerEvent): Update {
  switch (event.name) {
    case "ended":
      return end(state, event.payload.reason, ["release-media", "close-line", "remember"]);
    case "replaced":
      return {
        state: { ...state, phase: "replaced", mediaPath: "idle" },
        effects: ["release-media", "close-line"],
      };
    case "error":
      // The server closes the line after it; the line is opened again and the seat taken again.
      return only(state);
    case "participant-joined":
    case "participant-changed":
      return synced({ ...state, roster: withParticipant(state.roster, event.payload) });
    case "participant-left":
      return synced({ ...state, roster: withoutParticipant(state.roster, event.payload.participantId) });
    case "track-published":
      return synced({ ...state, roster: withTrack(state.roster, event.payload) });
    case "track-unpublished": {
      const { participantId, trackId } = event.payload;
      return synced({ ...state, roster: withoutTrack(state.roster, participantId, trackId) });
    }
    case "track-muted": {
      const { participantId, trackId, muted } = event.payload;
      return only({ ...state, roster: withMute(state.roster, participantId, trackId, muted) });
    }
    case "media-added": {
      const { payload } = event;
      const taken = state.role === "requester" && payload.type.startsWith("image/");
      const next = taken ? withNotice(state, "photo_taken") : state;
      return only({ ...next, medias: withMedia(state.medias, payload) });
    }
    case "media-changed":
      return only({ ...state, medias: withMedia(state.medias, event.payload) });
    case "recording-changed":
      return only({ ...state, recording: event.payload });
    case "room-ending":
      return only({ ...state, endsAt: event.payload.endsAt });
  }
}

function synced(state: SessionState): Update {
  return { state, effects: state.phase === "live" ? ["sync-media"] : [] };
}

/** Newest last; a known medium is replaced where it stands. */
function withMedia(medias: readonly Media[], media: Media): readonly Media[] {
  const known = medias.some(({ hash }) => hash === media.hash);
  return known ? medias.map((entry) => (entry.hash === media.hash ? media : entry)) : [...medias, media];
}
