/** Who is in the room and what they publish: pure changes to the list of participants. */

import type { Participant, Track, TrackSource } from "../signalling/protocol";

export type Roster = readonly Participant[];

/** Puts a participant in, or in place of its former self. */
export function withParticipant(roster: Roster, participant: Participant): Roster {
  const known = roster.some(({ participantId }) => participantId === participant.participantId);
  if (!known) return [...roster, participant];
  return roster.map((entry) => (entry.participantId === participant.participantId ? participant : entry));
}

export function withoutParticipant(roster: Roster, participantId: string): Roster {
  return roster.filter((entry) => entry.participantId !== participantId);
}

export function withTrack(roster: Roster, track: Track): Roster {
  return changeTracks(roster, track.participantId, (tracks) => [
    ...tracks.filter(({ trackId }) => trackId !== track.trackId),
    track,
  ]);
}

export function withoutTrack(roster: Roster, participantId: string, trackId: string): Roster {
  return changeTracks(roster, participantId, (tracks) => tracks.filter((track) => track.trackId !== trackId));
}

export function withMute(roster: Roster, participantId: string, trackId: string, muted: boolean): Roster {
  return changeTracks(roster, participantId, (tracks) =>
    tracks.map((track) => (track.trackId === trackId ? { ...track, muted } : track)),
  );
}

function changeTracks(roster: Roster, participantId: string, change: (tracks: Track[]) => Track[]): Roster {
  return roster.map((entry) =>
    entry.participantId === participantId ? { ...entry, tracks: change(entry.tracks) } : entry,
  );
}

export function trackOf(participant: Participant | undefined, source: TrackSource): Track | undefined {
  return participant?.tracks.find((track) => track.source === source);
}
