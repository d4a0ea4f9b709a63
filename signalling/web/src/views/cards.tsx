/** The full-page cards before and after a session. */

import { useEffect, useRef, useState } from "preact/hooks";
import type { ComponentChildren, VNode } from "preact";

import { wordsFor } from "../i18n";
import { useActions, useSession, useTexts, useView } from "./context";
import { CameraIcon, EyeIcon, MicIcon, PhotoIcon, PositionIcon, RecordIcon } from "./icons";

interface CardProps {
  title: string;
  testid?: string;
  /** A class of its own for the card. */
  kind?: string;
  children?: ComponentChildren;
}

/** One card in the middle of the page. Its title takes the focus, so that it is read out when it appears. */
export function Card({ title, testid, kind, children }: CardProps): VNode {
  const { embedded } = useView();
  const texts = useTexts();
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => heading.current?.focus(), []);
  return (
    <main class="card-page" {...(testid && { "data-testid": testid })}>
      {!embedded && (
        <p class="brand">
          <EyeIcon />
          {texts.product}
        </p>
      )}
      <section class={kind ? `card ${kind}` : "card"}>
        <h1 ref={heading} tabIndex={-1}>
          {title}
        </h1>
        {children}
      </section>
    </main>
  );
}

export function LoadingCard(): VNode {
  const { phase } = useSession();
  const texts = useTexts();
  const [slow, setSlow] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setSlow(true), 6_000);
    return () => clearTimeout(timer);
  }, []);
  return (
    <main class="card-page loading">
      <span class="spinner" aria-hidden="true" />
      <p>{phase === "joining" ? texts.loading.joining : texts.loading.connecting}</p>
      <p class="loading-slow">{slow && texts.loading.slow}</p>
    </main>
  );
}

function ConsentLead(): VNode {
  const { page, room } = useSession();
  const { consent } = useTexts();
  if (page === "meeting") return <p>{room?.name ? consent.leadMeeting(room.name) : consent.leadMeetingUnnamed}</p>;
  return <p>{room?.agentName ? consent.leadBy(room.agentName) : consent.lead}</p>;
}

/** Before camera, microphone and position: what will be shared, in plain words. */
export function ConsentCard(): VNode {
  const { store } = useActions();
  const { page, room } = useSession();
  const { consent } = useTexts();
  return (
    <Card kind="consent" title={page === "meeting" ? consent.titleMeeting : consent.title}>
      <ConsentLead />
      <p class="list-lead">{consent.shared}</p>
      <ul class="shared">
        <li>
          <CameraIcon />
          {consent.camera}
        </li>
        <li>
          <MicIcon />
          {consent.microphone}
        </li>
        {page === "requester" && (
          <li>
            <PhotoIcon />
            {consent.photos}
          </li>
        )}
        {room?.record !== "off" && (
          <li>
            <RecordIcon />
            {consent.recording}
          </li>
        )}
        {page === "requester" && room?.geolocation !== "off" && (
          <li>
            <PositionIcon />
            {consent.position}
          </li>
        )}
      </ul>
      <p class="quiet">
        {consent.end} {consent.browserAsks}
      </p>
      {room?.termsUrl && (
        <p class="terms quiet">
          <a href={room.termsUrl} target="_blank" rel="noopener noreferrer">
            {consent.terms}
          </a>
        </p>
      )}
      <div class="actions">
        <button
          type="button"
          class="button"
          data-testid="consent-decline"
          onClick={() => store.dispatch({ type: "declined" })}
        >
          {consent.decline}
        </button>
        <button
          type="button"
          class="button primary"
          data-testid="consent-accept"
          onClick={() => store.dispatch({ type: "consented" })}
        >
          {consent.accept}
        </button>
      </div>
    </Card>
  );
}

export function NameCard(): VNode {
  const { store } = useActions();
  const { name: texts } = useTexts();
  const [name, setName] = useState("");
  const submit = (event: Event): void => {
    event.preventDefault();
    store.dispatch({ type: "named", name: name.trim() });
  };
  return (
    <Card title={texts.title}>
      <form onSubmit={submit}>
        <label class="field">
          <span class="field-label">{texts.label}</span>
          <input
            data-testid="name-input"
            type="text"
            name="name"
            autocomplete="name"
            maxLength={100}
            enterKeyHint="go"
            value={name}
            onInput={(event) => setName(event.currentTarget.value)}
          />
          <span class="field-hint">{texts.hint}</span>
        </label>
        <div class="actions">
          <button type="submit" class="button primary" data-testid="join">
            {texts.join}
          </button>
        </div>
      </form>
    </Card>
  );
}

export function PositionCard(): VNode {
  const { store } = useActions();
  const { room, memory } = useSession();
  const { position: texts } = useTexts();
  const required = room?.geolocation === "required";
  const answer = memory?.geolocation;
  const refused = answer === "denied" || answer === "unavailable";
  return (
    <Card title={texts.title}>
      {refused ? (
        <div class="problem" data-testid="error" role="alert">
          <p>{answer === "denied" ? texts.denied : texts.unavailable}</p>
          <p>{answer === "denied" ? texts.deniedHelp : texts.unavailableHelp}</p>
        </div>
      ) : (
        <p class="asking">
          <span class="spinner small" aria-hidden="true" />
          {texts.asking}
        </p>
      )}
      <p class="quiet">{required ? texts.required : texts.optional}</p>
      <div class="actions">
        {required ? (
          <button type="button" class="button" onClick={() => store.dispatch({ type: "declined" })}>
            {texts.decline}
          </button>
        ) : (
          <button type="button" class="button" onClick={() => store.dispatch({ type: "located", answer: "denied" })}>
            {texts.skip}
          </button>
        )}
        {refused && (
          <button type="button" class="button primary" onClick={() => store.dispatch({ type: "retried" })}>
            {texts.again}
          </button>
        )}
      </div>
    </Card>
  );
}

function RetryButton({ label }: { label: string }): VNode {
  const { store } = useActions();
  return (
    <div class="actions">
      <button type="button" class="button primary" onClick={() => store.dispatch({ type: "retried" })}>
        {label}
      </button>
    </div>
  );
}

export function DeclinedCard(): VNode {
  const { declined } = useTexts();
  return (
    <Card title={declined.title}>
      <p>{declined.text}</p>
      <RetryButton label={declined.again} />
    </Card>
  );
}

export function ReplacedCard(): VNode {
  const { replaced } = useTexts();
  return (
    <Card title={replaced.title}>
      <p>{replaced.text}</p>
      <RetryButton label={replaced.here} />
    </Card>
  );
}

/** Failures that a second attempt with the same link can mend. */
const RETRYABLE = new Set(["room_full", "agent_present", "rate_limited", "internal"]);

export function FailedCard(): VNode {
  const { failure } = useSession();
  const { failed } = useTexts();
  const code = failure ?? "internal";
  const { again, ...causes } = failed;
  const known = Object.hasOwn(causes, code);
  const words = wordsFor(causes, code);
  return (
    <Card title={words.title} testid="error">
      <p>{words.text}</p>
      {(!known || RETRYABLE.has(code)) && <RetryButton label={again} />}
    </Card>
  );
}

export function EndedCard({ children }: { children?: ComponentChildren }): VNode {
  const { endReason } = useSession();
  const { ended } = useTexts();
  const { rejoin, ...reasons } = ended;
  const words = reasons[(endReason ?? "closed") as keyof typeof reasons] ?? reasons.closed;
  return (
    <Card title={words.title} testid="ended">
      <p>{words.text}</p>
      {endReason === "left" && <RetryButton label={rejoin} />}
      {children}
    </Card>
  );
}
