/** The remote pictures and sounds, one MediaStream for each participant, kept as tracks come and go. */

import type { Track } from "../signalling/protocol";

export class RemoteStreams {
  readonly #received = new Map<string, MediaStreamTrack>();
  readonly #streams = new Map<string, MediaStream>();

  /**
   * The stream of one participant: microphone and camera together, so that lips and voice stay together.
   * The same object for as long as the page lives.
   */
  of(participantId: string): MediaStream {
    let stream = this.#streams.get(participantId);
    if (!stream) {
      stream = new MediaStream();
      this.#streams.set(participantId, stream);
    }
    return stream;
  }

  receive(trackId: string, track: MediaStreamTrack | null): void {
    if (track) this.#received.set(trackId, track);
    else this.#received.delete(trackId);
  }

  /** Makes each stream hold what its participant publishes and we receive. */
  arrange(tracks: readonly Track[]): void {
    const held = new Map<MediaStream, Set<MediaStreamTrack>>();
    for (const { participantId, trackId } of tracks) {
      const track = this.#received.get(trackId);
      if (!track) continue;
      const stream = this.of(participantId);
      held.set(stream, (held.get(stream) ?? new Set()).add(track));
    }
    for (const stream of this.#streams.values()) {
      const wanted = held.get(stream) ?? new Set();
      for (const track of stream.getTracks()) if (!wanted.has(track)) stream.removeTrack(track);
      for (const track of wanted) if (!stream.getTracks().includes(track)) stream.addTrack(track);
    }
  }
}
