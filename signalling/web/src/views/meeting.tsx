/** A meeting: everybody in one grid; its moderator has what was recorded beside it. */

import type { VNode } from "preact";

import { others, self } from "../session/state";
import { situation } from "../session/situation";
import { useSession, useTexts } from "./context";
import { CameraSwitch, CameraToggle, DeviceAlert, EndButton, LeaveButton, MicToggle } from "./controls";
import { SidePanel } from "./gallery";
import { EndingBanner, NoticeToast, RecordingBadge, StageMessage } from "./status";
import { RecordToggle } from "./tools";
import { HearButton, LocalVideo, NameTag, RemoteVideo } from "./video";
import { displayName } from "./names";

export function MeetingCall(): VNode {
  const state = useSession();
  const texts = useTexts();
  const me = self(state);
  const everyone = others(state);
  const { kind } = situation(state);
  const moderated = state.page === "agent";
  return (
    <main class={moderated ? "call meeting with-side" : "call meeting"}>
      <div class="stage">
        <ul class="grid" data-count={Math.min(everyone.length + 1, 12)}>
          <li class="tile">
            <LocalVideo />
            <span class="name-tag">{me ? texts.call.me(displayName(me, texts)) : texts.call.you}</span>
          </li>
          {everyone.map((participant) => (
            <li key={participant.participantId} class="tile">
              <RemoteVideo participant={participant} />
              <NameTag participant={participant} />
            </li>
          ))}
        </ul>
        {(kind === "waiting" || kind === "reconnecting" || kind === "blocked") && <StageMessage />}
        <div class="overlay">
          <RecordingBadge />
          <EndingBanner />
        </div>
        <div class="alerts">
          <HearButton />
          <DeviceAlert />
          <NoticeToast />
        </div>
      </div>
      <div class="bar" role="group" aria-label={texts.call.controls}>
        <MicToggle />
        <CameraToggle />
        <CameraSwitch />
        <RecordToggle />
        {moderated ? <EndButton /> : <LeaveButton />}
      </div>
      {moderated && <SidePanel />}
    </main>
  );
}
