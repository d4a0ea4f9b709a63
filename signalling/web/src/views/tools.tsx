/** The agent's tools: the photo and the recording. */

import type { VNode } from "preact";

import { photoObstacle } from "../session/situation";
import { isRecording, mayModerate } from "../session/state";
import { useActions, usePending, useSession, useTexts } from "./context";
import { Control } from "./controls";
import { PhotoIcon, RecordIcon, StopIcon } from "./icons";
import { useRecordingTime } from "./status";

/** The main tool. While no photo can be taken it says why, and stays reachable so that the reason can be heard. */
export function PhotoButton({ onTaken }: { onTaken: () => void }): VNode {
  const { takeSnapshot } = useActions();
  const state = useSession();
  const { control } = useTexts();
  const [pending, run] = usePending(async () => {
    if (await takeSnapshot()) onTaken();
  });
  const obstacle = photoObstacle(state);
  const reasons = { no_one: control.photoNoOne, no_picture: control.photoNoPicture, offline: control.photoOffline };
  const reason = obstacle && reasons[obstacle];
  return (
    <div class="photo-tool">
      <button
        type="button"
        class="button primary shutter"
        data-testid="take-snapshot"
        aria-disabled={obstacle !== null}
        aria-busy={pending}
        {...(reason && { "aria-describedby": "photo-reason", title: reason })}
        onClick={() => obstacle === null && run()}
      >
        <PhotoIcon />
        {pending ? control.takingPhoto : control.photo}
      </button>
      {reason && (
        <p id="photo-reason" class="photo-reason">
          {reason}
        </p>
      )}
    </div>
  );
}

/** Starts and stops the recording and shows how long it runs; absent where recording is switched off. */
export function RecordToggle(): VNode | null {
  const { toggleRecording } = useActions();
  const state = useSession();
  const { control } = useTexts();
  const [pending, run] = usePending(toggleRecording);
  const time = useRecordingTime();
  if (!mayModerate(state) || state.room?.record === "off") return null;
  const active = isRecording(state);
  return (
    <Control
      testid="record-toggle"
      label={active ? `${control.stop} ${time}` : control.record}
      {...(active && { name: `${control.stopRecording} ${time}` })}
      tone={active ? "active" : "on"}
      busy={pending}
      onClick={run}
    >
      {active ? <StopIcon /> : <RecordIcon />}
    </Control>
  );
}
