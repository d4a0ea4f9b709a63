/** The round buttons of a session: microphone, camera, other camera, hang up. */

import { useState } from "preact/hooks";
import type { ComponentChildren, VNode } from "preact";

import { isRecording } from "../session/state";
import { useActions, usePending, useSession, useTexts } from "./context";
import { Dialog } from "./dialog";
import { CameraIcon, CameraOffIcon, HangUpIcon, MicIcon, MicOffIcon, SwitchIcon } from "./icons";
import { Alert, deviceWords } from "./status";

interface ControlProps {
  testid?: string;
  label: string;
  /** Read out instead of the label, which it contains. */
  name?: string;
  /** `off`: what it controls is switched off; `danger`: leaves. */
  tone?: "on" | "off" | "danger" | "active";
  busy?: boolean;
  onClick: () => void;
  children: ComponentChildren;
}

/** A round button with its name below it. */
export function Control({ testid, label, name, tone = "on", busy = false, onClick, children }: ControlProps): VNode {
  return (
    <button
      type="button"
      class={`control ${tone}`}
      {...(testid && { "data-testid": testid })}
      {...(name && { "aria-label": name })}
      aria-busy={busy}
      onClick={onClick}
    >
      <span class="control-face">{children}</span>
      <span class="control-label">{label}</span>
    </button>
  );
}

export function MicToggle(): VNode {
  const { setMicrophone } = useActions();
  const { microphone } = useSession();
  const texts = useTexts();
  const on = microphone.status === "on";
  const starting = microphone.status === "starting";
  return (
    <Control
      testid="mic-toggle"
      label={starting ? texts.control.starting : on ? texts.control.mute : texts.control.unmute}
      tone={on || starting ? "on" : "off"}
      busy={starting}
      onClick={() => void setMicrophone(!on)}
    >
      {on || starting ? <MicIcon /> : <MicOffIcon />}
    </Control>
  );
}

export function CameraToggle(): VNode {
  const { setCamera } = useActions();
  const { camera } = useSession();
  const texts = useTexts();
  const on = camera.status === "on";
  const starting = camera.status === "starting";
  return (
    <Control
      testid="camera-toggle"
      label={starting ? texts.control.starting : on ? texts.control.cameraOff : texts.control.cameraOn}
      tone={on || starting ? "on" : "off"}
      busy={starting}
      onClick={() => void setCamera(!on)}
    >
      {on || starting ? <CameraIcon /> : <CameraOffIcon />}
    </Control>
  );
}

/** Only there when there is another camera to switch to. */
export function CameraSwitch(): VNode | null {
  const { switchCamera } = useActions();
  const { camera } = useSession();
  const texts = useTexts();
  const [pending, run] = usePending(switchCamera);
  if (!camera.switchable || (camera.status !== "on" && !pending)) return null;
  return (
    <Control testid="camera-switch" label={texts.control.switchCamera} busy={pending} onClick={run}>
      <SwitchIcon />
    </Control>
  );
}

/** Leaves at once: whoever left can come back. */
export function LeaveButton(): VNode {
  const { store } = useActions();
  const texts = useTexts();
  return (
    <Control
      testid="hang-up"
      label={texts.control.leave}
      tone="danger"
      onClick={() => store.dispatch({ type: "hung-up" })}
    >
      <HangUpIcon />
    </Control>
  );
}

/** Ends the session for everybody, so it asks once; the `hang-up` hook moves on to the button that confirms. */
export function EndButton(): VNode {
  const { store } = useActions();
  const state = useSession();
  const texts = useTexts();
  const [asking, setAsking] = useState(false);
  return (
    <>
      <Control
        {...(!asking && { testid: "hang-up" })}
        label={texts.control.end}
        tone="danger"
        onClick={() => setAsking(true)}
      >
        <HangUpIcon />
      </Control>
      {asking && (
        <Dialog title={texts.confirmEnd.title} onClose={() => setAsking(false)}>
          <p>{texts.confirmEnd.text}</p>
          {isRecording(state) && <p>{texts.confirmEnd.recording}</p>}
          <div class="actions">
            <button type="button" class="button" onClick={() => setAsking(false)}>
              {texts.confirmEnd.stay}
            </button>
            <button
              type="button"
              class="button danger"
              data-testid="hang-up"
              onClick={() => store.dispatch({ type: "hung-up" })}
            >
              {texts.confirmEnd.end}
            </button>
          </div>
        </Dialog>
      )}
    </>
  );
}

/** What is wrong with camera or microphone, until it is read or gone. */
export function DeviceAlert(): VNode | null {
  const { camera, microphone } = useSession();
  const texts = useTexts();
  const words = deviceWords(camera.problem, microphone.problem, texts);
  const [read, setRead] = useState<string | null>(null);
  if (words === null || words === read) return null;
  return <Alert onDismiss={() => setRead(words)}>{words}</Alert>;
}
