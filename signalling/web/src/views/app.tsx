/** The page as a whole: one view per phase, and one place from which changes are read out. */

import { useEffect } from "preact/hooks";
import type { FunctionComponent, VNode } from "preact";

import { situation } from "../session/situation";
import { isRecording, mayModerate, type SessionState } from "../session/state";
import type { Messages } from "../i18n";
import {
  ConsentCard,
  DeclinedCard,
  EndedCard,
  FailedCard,
  LoadingCard,
  NameCard,
  PositionCard,
  ReplacedCard,
} from "./cards";
import { useSession, useTexts } from "./context";
import { Gallery, isInWork, photosOf, recordingsOf } from "./gallery";
import { describe } from "./status";

/** @param call the view of a running session, which is what the three pages differ in. */
export function App({ call }: { call: FunctionComponent }): VNode {
  const state = useSession();
  const texts = useTexts();
  const title = documentTitle(state, texts);
  useEffect(() => {
    document.title = title;
  }, [title]);
  return (
    <>
      <Phase call={call} />
      <p class="visually-hidden" role="status" aria-live="polite">
        {announcement(state, texts)}
      </p>
    </>
  );
}

function Phase({ call: Call }: { call: FunctionComponent }): VNode {
  const { phase } = useSession();
  switch (phase) {
    case "connecting":
    case "joining":
      return <LoadingCard key={phase} />;
    case "consent":
      return <ConsentCard />;
    case "name":
      return <NameCard />;
    case "position":
      return <PositionCard />;
    case "live":
      return <Call />;
    case "declined":
      return <DeclinedCard />;
    case "ended":
      return <Ended />;
    case "replaced":
      return <ReplacedCard />;
    case "failed":
      return <FailedCard />;
  }
}

/** After the session the agent still has what was taken at hand. */
function Ended(): VNode {
  const state = useSession();
  const { gallery } = useTexts();
  if (!mayModerate(state) || state.medias.length === 0) return <EndedCard />;
  return (
    <EndedCard>
      <Gallery />
      {recordingsOf(state.medias).some(isInWork) && <p class="quiet">{gallery.after}</p>}
    </EndedCard>
  );
}

function documentTitle(state: SessionState, texts: Messages): string {
  const subject = state.page === "meeting" ? state.room?.name : state.room?.reference;
  return subject ? `${subject} – ${texts.product}` : texts.product;
}

/** What a person who does not see the page has to know. */
function announcement(state: SessionState, texts: Messages): string {
  if (state.phase !== "live") return "";
  const said = [describe(situation(state), state, texts).title];
  if (isRecording(state)) said.push(texts.call.recording);
  const photos = photosOf(state.medias).length;
  if (photos > 0 && mayModerate(state)) said.push(`${texts.gallery.photoTaken}: ${photos}`);
  return said.join(". ");
}
