/** Video elements: the own picture, other people's pictures with their sound, and the tap that allows sound. */

import { useEffect, useRef, useState } from "preact/hooks";
import type { RefObject, VNode } from "preact";

import type { Participant } from "../signalling/protocol";
import { showsPicture } from "../session/situation";
import { useActions, useSession, useTexts } from "./context";
import { MicOffIcon, SoundIcon } from "./icons";
import { displayName, initials } from "./names";
import { trackOf } from "../session/roster";

/** The elements that play sound, so that one tap reaches all of them while the tap still counts. */
const players = new Set<HTMLVideoElement>();

function useStream(stream: MediaStream): RefObject<HTMLVideoElement | null> {
  const ref = useRef<HTMLVideoElement>(null);
  useEffect(() => {
    if (ref.current) ref.current.srcObject = stream;
  }, [stream]);
  return ref;
}

/** The own picture; mirrored when the camera looks at the person, who expects a mirror. */
export function LocalVideo(): VNode {
  const { preview } = useActions();
  const { camera } = useSession();
  const texts = useTexts();
  const ref = useStream(preview);
  const on = camera.status === "on";
  useEffect(() => {
    // Safari pauses a muted video whose track was replaced.
    if (on) void ref.current?.play().catch(() => undefined);
  }, [on, ref]);
  return (
    <>
      <video
        ref={ref}
        data-testid="local-video"
        class={camera.facing === "user" ? "picture mirrored" : "picture"}
        aria-label={texts.call.you}
        autoplay
        playsInline
        muted
        hidden={!on}
      />
      {!on && <p class="tile-note">{camera.status === "starting" ? texts.control.starting : texts.call.yourCameraOff}</p>}
    </>
  );
}

/** Another person's picture and sound, or their initials while there is no picture. */
export function RemoteVideo({ participant }: { participant: Participant }): VNode {
  const { streams, store } = useActions();
  const { soundBlocked } = useSession();
  const texts = useTexts();
  const ref = useStream(streams.of(participant.participantId));
  const [running, setRunning] = useState(false);
  const name = displayName(participant, texts);
  const trackIds = participant.tracks.map(({ trackId }) => trackId).join(" ");
  const picture = showsPicture(participant);

  useEffect(() => {
    const video = ref.current;
    if (!video) return undefined;
    players.add(video);
    return () => players.delete(video);
  }, [ref]);

  useEffect(() => {
    const video = ref.current;
    video?.play().catch((error: unknown) => {
      if (!(error instanceof DOMException) || error.name !== "NotAllowedError") return;
      // A silent picture is always allowed; sound comes with the tap.
      video.muted = true;
      void video.play().catch(() => undefined);
      store.dispatch({ type: "sound-blocked", blocked: true });
    });
  }, [ref, store, trackIds]);

  return (
    <>
      <video
        ref={ref}
        {...(picture && { "data-testid": "remote-video" })}
        class="picture"
        aria-label={name}
        autoplay
        playsInline
        muted={soundBlocked}
        hidden={!picture}
        onResize={() => setRunning((ref.current?.videoWidth ?? 0) > 0)}
      />
      {!(picture && running) && (
        <div class="avatar" aria-hidden="true">
          <span>{initials(name)}</span>
        </div>
      )}
    </>
  );
}

/** Name, and a sign when the person cannot be heard; `compact` leaves only the sign. */
export function NameTag({ participant, compact = false }: { participant: Participant; compact?: boolean }): VNode | null {
  const texts = useTexts();
  const microphone = trackOf(participant, "microphone");
  const silent = microphone === undefined || microphone.muted;
  if (compact && !silent) return null;
  return (
    <span class={compact ? "name-tag compact" : "name-tag"}>
      {!compact && displayName(participant, texts)}
      {silent && (
        <span class="name-tag-sign" role="img" aria-label={texts.call.muted}>
          <MicOffIcon />
        </span>
      )}
    </span>
  );
}

/**
 * Shown when the browser plays no sound before a tap.
 *
 * A page that uses the camera or the microphone may play sound by itself: where the other side was there first,
 * it is tried once more, so that nobody has to tap after a reload.
 */
export function HearButton(): VNode | null {
  const { store } = useActions();
  const { soundBlocked, camera, microphone } = useSession();
  const texts = useTexts();
  const retried = useRef(false);
  const capturing = camera.status === "on" || microphone.status === "on";
  const hear = async (): Promise<void> => {
    store.dispatch({ type: "sound-blocked", blocked: false });
    try {
      for (const video of players) video.muted = false;
      await Promise.all([...players].map((video) => video.play()));
    } catch (error) {
      if (!(error instanceof DOMException) || error.name !== "NotAllowedError") return;
      for (const video of players) {
        video.muted = true;
        void video.play().catch(() => undefined);
      }
      store.dispatch({ type: "sound-blocked", blocked: true });
    }
  };
  useEffect(() => {
    if (!capturing || !soundBlocked || retried.current) return;
    retried.current = true;
    void hear();
  }, [capturing, soundBlocked]);
  if (!soundBlocked) return null;
  return (
    <button type="button" class="button primary hear" onClick={() => void hear()}>
      <SoundIcon />
      {texts.call.hear}
    </button>
  );
}
