/** The requester's session: one large picture, by default what their own camera shows. */

import { useState } from "preact/hooks";
import type { VNode } from "preact";

import { counterpart } from "../session/situation";
import { useSession, useTexts } from "./context";
import { CameraSwitch, CameraToggle, DeviceAlert, LeaveButton, MicToggle } from "./controls";
import { SwapIcon } from "./icons";
import { EndingBanner, NoticeToast, RecordingBadge, StatusPill } from "./status";
import { HearButton, LocalVideo, NameTag, RemoteVideo } from "./video";

export function RequesterCall(): VNode {
  const state = useSession();
  const texts = useTexts();
  const [swapped, setSwapped] = useState(false);
  const agent = counterpart(state);
  const remoteLarge = swapped && agent !== undefined;
  const swap = (
    <button type="button" class="swap" aria-label={texts.call.swap} onClick={() => setSwapped(!swapped)}>
      <SwapIcon />
    </button>
  );
  return (
    <main class="call requester">
      <div class="stage">
        <div class={remoteLarge ? "tile small" : "tile large"}>
          <LocalVideo />
          {remoteLarge && swap}
        </div>
        {agent && (
          <div class={remoteLarge ? "tile large" : "tile small"}>
            <RemoteVideo key={agent.participantId} participant={agent} />
            <NameTag participant={agent} compact={!remoteLarge} />
            {!remoteLarge && swap}
          </div>
        )}
        <div class="overlay">
          <StatusPill />
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
        <LeaveButton />
      </div>
    </main>
  );
}
