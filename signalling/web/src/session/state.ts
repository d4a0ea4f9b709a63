/**
 * Everything the pages show, as one immutable value, and the events that change it.
 *
 * `update.ts` holds the transitions; the views read; `runtime.ts` performs the effects.
 */

import type {
  Geolocation,
  JoinResult,
  LookupResult,
  Media,
  Participant,
  RecordingInfo,
  Role,
  RoomInfo,
  ServerEvent,
} from "../signalling/protocol";
import type { Memory, Page } from "./credentials";
import type { Roster } from "./roster";

/**
 * Where the person stands.
 *
 * `connecting` (is the link any good?) → `consent` → `name` → `position` → `joining` → `live`, where steps that
 * are not needed are left out, and from there to one of the resting places: `declined`, `ended`, `replaced`
 * (the seat is open in another window) or `failed`.
 */
export type Phase =
  | "connecting"
  | "consent"
  | "name"
  | "position"
  | "joining"
  | "live"
  | "declined"
  | "ended"
  | "replaced"
  | "failed";

/** The path that pictures and sound take; `blocked`: several attempts failed, the network seems to forbid it. */
export type MediaPath = "idle" | "connecting" | "connected" | "interrupted" | "blocked";

export type DeviceKind = "microphone" | "camera";
/** Why a device cannot be used; each has its words in `i18n`. */
export type DeviceProblem = "denied" | "in_use" | "missing" | "insecure" | "lost" | "failed";
export type DeviceStatus = "off" | "starting" | "on";

export interface Device {
  status: DeviceStatus;
  problem: DeviceProblem | null;
}

export interface Camera extends Device {
  /** The picture is shown as in a mirror when the camera looks at the person. */
  facing: "user" | "environment" | "unknown";
  /** Another camera can be switched to. */
  switchable: boolean;
}

/** A passing message; `code` is a server error code or one of ours, with its words in `i18n`. */
export interface Notice {
  id: number;
  code: string;
}

export interface SessionState {
  page: Page;
  phase: Phase;
  /** The line to the server is up. */
  online: boolean;
  /** What the tab remembers; null when the link is not whole and nothing is remembered. */
  memory: Memory | null;
  room: RoomInfo | null;
  role: Role | null;
  selfId: string | null;
  roster: Roster;
  recording: RecordingInfo | null;
  medias: readonly Media[];
  iceServers: RTCIceServer[];
  /** Server time minus the time of this device, in ms. */
  clockOffsetMs: number;
  endsAt: string | null;
  mediaPath: MediaPath;
  /** The browser wants a tap before it plays sound. */
  soundBlocked: boolean;
  microphone: Device;
  camera: Camera;
  /** Why `failed`; a server error code or one of ours. */
  failure: string | null;
  /** Why `ended`. */
  endReason: string | null;
  notice: Notice | null;
}

export type SessionEvent =
  | { type: "line-up" }
  | { type: "line-down" }
  | { type: "looked-up"; result: LookupResult }
  | { type: "lookup-refused"; code: string }
  | { type: "consented" }
  | { type: "declined" }
  | { type: "named"; name: string }
  | { type: "located"; answer: Geolocation }
  | { type: "joined"; result: JoinResult; atMs: number }
  | { type: "join-refused"; code: string }
  | { type: "hung-up" }
  | { type: "retried" }
  | { type: "told"; event: ServerEvent }
  | { type: "media-path-changed"; path: MediaPath }
  | { type: "sound-blocked"; blocked: boolean }
  | { type: "device-changed"; device: "microphone"; change: Partial<Device> }
  | { type: "device-changed"; device: "camera"; change: Partial<Camera> }
  | { type: "media-listed"; media: Media }
  | { type: "recording-told"; recording: RecordingInfo }
  | { type: "noticed"; code: string }
  | { type: "notice-dismissed" };

/** What the runtime is to do after an event. */
export type Effect =
  | "reopen-line"
  | "close-line"
  | "lookup"
  | "join"
  | "locate"
  | "start-devices"
  | "sync-media"
  | "release-media"
  | "leave"
  | "remember";

export function initialState(page: Page, memory: Memory | null): SessionState {
  return {
    page,
    phase: "connecting",
    online: false,
    memory,
    room: null,
    role: null,
    selfId: null,
    roster: [],
    recording: null,
    medias: [],
    iceServers: [],
    clockOffsetMs: 0,
    endsAt: null,
    mediaPath: "idle",
    soundBlocked: false,
    microphone: { status: "off", problem: null },
    camera: { status: "off", problem: null, facing: "unknown", switchable: false },
    failure: null,
    endReason: null,
    notice: null,
  };
}

export function others(state: SessionState): Participant[] {
  return state.roster.filter(({ participantId }) => participantId !== state.selfId);
}

export function self(state: SessionState): Participant | undefined {
  return state.roster.find(({ participantId }) => participantId === state.selfId);
}

export function isRecording(state: SessionState): boolean {
  return state.recording?.status === "starting" || state.recording?.status === "recording";
}

/** Holds the tools: may photograph, record and end the session for everybody. */
export function mayModerate(state: SessionState): boolean {
  return state.role === "agent" || state.role === "moderator";
}

/** The seat is held, but the way to the server or to the media is cut. */
export function isReconnecting(state: SessionState): boolean {
  return state.phase === "live" && (!state.online || state.mediaPath === "interrupted");
}
