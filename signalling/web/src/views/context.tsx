/** What every view needs: the session, the texts, and how the page is embedded. */

import { createContext } from "preact";
import { useContext, useEffect, useState } from "preact/hooks";

import type { Language, Messages } from "../i18n";
import type { Runtime } from "../session/runtime";
import type { SessionState } from "../session/state";
import type { Store } from "../session/store";

/** What the views may do; `Runtime` does it. */
export type Actions = Pick<
  Runtime,
  "store" | "streams" | "preview" | "setMicrophone" | "setCamera" | "switchCamera" | "takeSnapshot" | "toggleRecording"
>;

export interface View {
  actions: Actions;
  language: Language;
  embedded: boolean;
}

export const ViewContext = createContext<View | null>(null);

export function useView(): View {
  const view = useContext(ViewContext);
  if (!view) throw new Error("a view outside of ViewContext");
  return view;
}

export function useActions(): Actions {
  return useView().actions;
}

export function useTexts(): Messages {
  return useView().language.messages;
}

export function useSession(): SessionState {
  return useStore(useActions().store);
}

function useStore(store: Store): SessionState {
  const [state, setState] = useState(store.state);
  useEffect(() => {
    const follow = (): void => setState(store.state);
    follow();
    return store.subscribe(follow);
  }, [store]);
  return state;
}

/** The time in ms since the epoch, drawn anew every second while `active`. */
export function useNow(active: boolean): number {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    if (!active) return undefined;
    setNow(Date.now());
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, [active]);
  return now;
}

/** An action with the fact that it is under way; a second start meanwhile does nothing. */
export function usePending(action: () => Promise<unknown>): [boolean, () => void] {
  const [pending, setPending] = useState(false);
  const run = (): void => {
    if (pending) return;
    setPending(true);
    void action().finally(() => setPending(false));
  };
  return [pending, run];
}
