/**
 * The wire protocol of `signalling/README.md`, version 1, as types: every call, event and shape.
 *
 * The server validates what it is sent, and the client trusts what its own server answers, so there is no
 * second validation here.
 */

export type Role = "requester" | "agent" | "moderator" | "participant";
export type TrackKind = "audio" | "video";
export type TrackSource = "microphone" | "camera" | "screen";
export type Geolocation = "granted" | "denied" | "unavailable";

export type Credentials =
  | { convId: string; pwd: string }
  | { convId: string; token: string }
  | { roomName: string }
  | { convId: string; resumeToken: string };

export interface RoomInfo {
  convId: string;
  kind: "assistance" | "meeting";
  name: string | null;
  state: string;
  reference: string | null;
  agentName: string | null;
  geolocation: "off" | "optional" | "required";
  record: "off" | "manual" | "auto";
  termsUrl: string | null;
  language: string | null;
  startTime: string;
  endTime: string;
}

export interface Track {
  trackId: string;
  participantId: string;
  kind: TrackKind;
  source: TrackSource;
  muted: boolean;
}

export type Connection = "new" | "connecting" | "connected" | "interrupted" | "away";

export interface Participant {
  participantId: string;
  role: Role;
  name: string | null;
  connection: Connection;
  tracks: Track[];
}

/** Status of a recording on its way from the first packet to the finished file; it only moves forward. */
export type RecordingStatus =
  | "starting"
  | "recording"
  | "stopping"
  | "queued"
  | "processing"
  | "uploading"
  | "completed"
  | "partial"
  | "failed"
  | "aborted"
  | "deleted";

export interface Media {
  id: number;
  hash: string;
  title: string;
  type: string;
  status: RecordingStatus;
  progress?: number | null;
  url: string;
  created: string;
  location?: { lat: number; lon: number } | null;
  filesize?: number | null;
}

export interface RecordingInfo {
  recordingId: string;
  status: RecordingStatus;
  startedAt: string;
}

export type JoinRequest = Credentials & {
  name?: string;
  consent?: { accepted: true; version: string };
  geolocation?: Geolocation;
};

export interface LookupResult {
  room: RoomInfo;
  role: Role;
  /** Of the person, if the ticketing backend told it. */
  name: string | null;
}

export interface JoinResult {
  participantId: string;
  role: Role;
  resumeToken: string;
  room: RoomInfo;
  participants: Participant[];
  recording: RecordingInfo | null;
  medias: Media[];
  iceServers: RTCIceServer[];
  now: string;
}

export interface NegotiateRequest {
  sdp: string;
  publications: { mid: string; source: TrackSource }[];
  subscriptions: { mid: string; trackId: string }[];
}

export interface Position {
  lat: number;
  lng: number;
  accuracyM?: number;
  altitudeM?: number;
  headingDeg?: number;
}

type Nothing = Record<string, never>;

/** What the client asks: payload and result of each acknowledged event. */
export interface Calls {
  lookup: { payload: Credentials; result: LookupResult };
  join: { payload: JoinRequest; result: JoinResult };
  negotiate: { payload: NegotiateRequest; result: { sdp: string } };
  mute: { payload: { trackId: string; muted: boolean }; result: Nothing };
  position: { payload: Position; result: Nothing };
  snapshot: { payload: { trackId?: string }; result: { media: Media } };
  "recording-start": { payload: Nothing; result: { recording: RecordingInfo } };
  "recording-stop": { payload: Nothing; result: { recording: RecordingInfo } };
  leave: { payload: { end?: boolean }; result: Nothing };
}

/** What the server tells unasked. */
export interface ServerEvents {
  "participant-joined": Participant;
  "participant-changed": Participant;
  "participant-left": { participantId: string; reason: string };
  "track-published": Track;
  "track-unpublished": { trackId: string; participantId: string };
  "track-muted": { trackId: string; participantId: string; muted: boolean };
  "media-added": Media;
  "media-changed": Media;
  "recording-changed": RecordingInfo;
  "room-ending": { endsAt: string; secondsLeft: number };
  ended: { reason: string };
  replaced: Nothing;
  error: { code: string; message: string };
}

export type ServerEventName = keyof ServerEvents;

export const SERVER_EVENTS: readonly ServerEventName[] = [
  "participant-joined",
  "participant-changed",
  "participant-left",
  "track-published",
  "track-unpublished",
  "track-muted",
  "media-added",
  "media-changed",
  "recording-changed",
  "room-ending",
  "ended",
  "replaced",
  "error",
];

/** One server event with its name, as a union that a `switch` can narrow. */
export type ServerEvent = { [N in ServerEventName]: { name: N; payload: ServerEvents[N] } }[ServerEventName];
