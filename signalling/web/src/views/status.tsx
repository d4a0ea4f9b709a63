/** What is said during a session: who is there, what is wrong, what is being recorded. */

import { useEffect } from "preact/hooks";
import type { VNode } from "preact";

import { formatDuration, wordsFor, type Messages } from "../i18n";
import { showsPicture, situation, type Situation } from "../session/situation";
import { isRecording, type DeviceProblem, type SessionState } from "../session/state";
import { useActions, useNow, useSession, useTexts } from "./context";
import { CloseIcon, WarningIcon } from "./icons";
import { displayName } from "./names";

const NOTICE_MS = 7_000;

interface Words {
  title: string;
  hint?: string;
}

/** The situation in words. */
export function describe(current: Situation, state: SessionState, texts: Messages): Words {
  const { call } = texts;
  switch (current.kind) {
    case "reconnecting":
      return { title: call.reconnecting, hint: call.reconnectingHint };
    case "blocked":
      return { title: call.blocked, hint: call.blockedHint };
    case "waiting":
      return waiting(state, texts);
    case "connecting":
      return { title: texts.loading.connecting };
    case "joining":
      return { title: call.connectingTo(displayName(current.other, texts)) };
    case "unstable":
      return { title: call.unstable(displayName(current.other, texts)) };
    case "away":
      return { title: call.away(displayName(current.other, texts)) };
    case "no_picture":
      return { title: call.noPicture(displayName(current.other, texts)) };
    case "live":
      return { title: call.inSession(displayName(current.other, texts)) };
  }
}

function waiting({ page, room }: SessionState, texts: Messages): Words {
  const { call } = texts;
  if (page === "requester") {
    const title = room?.agentName ? call.waitingForAgentNamed(room.agentName) : call.waitingForAgent;
    return { title, hint: call.waitingForAgentHint };
  }
  if (page === "agent") {
    return { title: call.waitingForRequester, hint: call.waitingForRequesterHint };
  }
  return { title: call.waitingForOthers, hint: call.waitingForOthersHint };
}

/** In the middle of a stage that has no picture to show, or of one whose picture stands still. */
export function StageMessage(): VNode | null {
  const state = useSession();
  const texts = useTexts();
  const current = situation(state);
  if (current.kind === "live") return null;
  const { title, hint } = describe(current, state, texts);
  // Below the initials that stand in for a picture, in the middle of anything else.
  const below = "other" in current && !showsPicture(current.other);
  const busy = current.kind !== "blocked" && !below;
  return (
    <div
      class={`stage-message ${current.kind} ${below ? "below" : ""}`}
      {...(current.kind === "waiting" && { "data-testid": "waiting" })}
      {...(current.kind === "blocked" && { "data-testid": "error" })}
    >
      {busy && <span class="pulse" aria-hidden="true" />}
      <p class="stage-title">{title}</p>
      {hint && <p class="stage-hint">{hint}</p>}
    </div>
  );
}

/** The same in one line, for a stage that is filled by the own picture. */
export function StatusPill(): VNode {
  const state = useSession();
  const texts = useTexts();
  const current = situation(state);
  const { title, hint } = describe(current, state, texts);
  const tone = current.kind === "live" || current.kind === "no_picture" ? "good" : current.kind;
  return (
    <div
      class={`status-pill ${tone}`}
      {...(current.kind === "waiting" && { "data-testid": "waiting" })}
      {...(current.kind === "blocked" && { "data-testid": "error" })}
    >
      <span class="dot" aria-hidden="true" />
      <div>
        <p class="status-title">
          {current.kind === "no_picture" ? texts.call.inSession(displayName(current.other, texts)) : title}
        </p>
        {hint && <p class="status-hint">{hint}</p>}
      </div>
    </div>
  );
}

/** Seen by everybody for as long as a recording runs. */
export function RecordingBadge(): VNode | null {
  const state = useSession();
  const texts = useTexts();
  const active = isRecording(state);
  const time = useRecordingTime();
  if (!active) return null;
  return (
    <div class="recording-badge" role="img" aria-label={texts.call.recordingOn(time)}>
      <span class="recording-dot" />
      <span aria-hidden="true">
        {texts.call.recording} <span class="digits">{time}</span>
      </span>
    </div>
  );
}

export function useRecordingTime(): string {
  const state = useSession();
  // Off line nobody knows whether it goes on, so the time stands still.
  const now = useNow(isRecording(state) && state.online);
  if (!state.recording) return formatDuration(0);
  return formatDuration(now + state.clockOffsetMs - Date.parse(state.recording.startedAt));
}

/** The announced end of the session. */
export function EndingBanner(): VNode | null {
  const { endsAt, clockOffsetMs } = useSession();
  const now = useNow(endsAt !== null);
  const texts = useTexts();
  if (!endsAt) return null;
  const minutes = Math.ceil((Date.parse(endsAt) - now - clockOffsetMs) / 60_000);
  return <p class="banner">{texts.call.ending(minutes)}</p>;
}

/** One passing message at a time. */
export function NoticeToast(): VNode | null {
  const { store } = useActions();
  const { notice } = useSession();
  const texts = useTexts();
  useEffect(() => {
    if (!notice) return undefined;
    const timer = setTimeout(() => store.dispatch({ type: "notice-dismissed" }), NOTICE_MS);
    return () => clearTimeout(timer);
  }, [notice, store]);
  if (!notice) return null;
  return (
    <Alert onDismiss={() => store.dispatch({ type: "notice-dismissed" })}>{wordsFor(texts.notice, notice.code)}</Alert>
  );
}

export function Alert({ children, onDismiss }: { children: string; onDismiss: () => void }): VNode {
  const texts = useTexts();
  return (
    <div class="alert" role="alert" data-testid="error">
      <WarningIcon />
      <p>{children}</p>
      <button type="button" class="alert-close" aria-label={texts.device.dismiss} onClick={onDismiss}>
        <CloseIcon />
      </button>
    </div>
  );
}

/** Why camera or microphone cannot be used, in words; null when both can. */
export function deviceWords(camera: DeviceProblem | null, microphone: DeviceProblem | null, texts: Messages): string | null {
  const { device } = texts;
  if (camera !== null && camera === microphone && (camera === "denied" || camera === "missing")) return device.both[camera];
  if (camera !== null) return device.camera[camera];
  return microphone === null ? null : device.microphone[microphone];
}
