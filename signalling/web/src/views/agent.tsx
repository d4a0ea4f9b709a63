/** The agent's session: the customer's picture large, the tools below it, what was taken beside it. */

import { useState } from "preact/hooks";
import type { VNode } from "preact";

import { counterpart } from "../session/situation";
import { useSession, useTexts } from "./context";
import { CameraSwitch, CameraToggle, DeviceAlert, EndButton, MicToggle } from "./controls";
import { SidePanel } from "./gallery";
import { EndingBanner, NoticeToast, RecordingBadge, StageMessage } from "./status";
import { PhotoButton, RecordToggle } from "./tools";
import { HearButton, LocalVideo, NameTag, RemoteVideo } from "./video";

export function AgentCall(): VNode {
  const state = useSession();
  const texts = useTexts();
  const [flashes, setFlashes] = useState(0);
  const requester = counterpart(state);
  return (
    <main class="call agent with-side">
      <div class="stage">
        {requester && (
          <div class="tile large">
            <RemoteVideo key={requester.participantId} participant={requester} />
          </div>
        )}
        <StageMessage />
        {flashes > 0 && <div key={flashes} class="flash" aria-hidden="true" />}
        <div class="tile small">
          <LocalVideo />
        </div>
        <div class="overlay">
          {requester && <NameTag participant={requester} />}
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
        <div class="bar-group">
          <MicToggle />
          <CameraToggle />
          <CameraSwitch />
        </div>
        <PhotoButton onTaken={() => setFlashes(flashes + 1)} />
        <div class="bar-group">
          <RecordToggle />
          <EndButton />
        </div>
      </div>
      <SidePanel />
    </main>
  );
}
