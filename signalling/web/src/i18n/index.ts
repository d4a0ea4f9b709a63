/** Which language the page speaks, and how it writes times and durations. */

import { en, type Messages } from "./en";
import { fr } from "./fr";

export type { Messages } from "./en";

const LANGUAGES: Readonly<Record<string, Messages>> = { en, fr };

export interface Language {
  /** Of the texts, for the page's `lang`. */
  tag: string;
  /** For dates and numbers: as wished, with its region. */
  locale: string;
  messages: Messages;
}

/** The first of `preferences` (BCP 47 tags, best first) that we have texts for; English otherwise. */
export function chooseLanguage(preferences: readonly (string | null | undefined)[]): Language {
  for (const preference of preferences) {
    const tag = preference?.toLowerCase().split(/[-_]/)[0] ?? "";
    if (!Object.hasOwn(LANGUAGES, tag)) continue;
    return { tag, locale: localeOf(preference, tag), messages: LANGUAGES[tag] ?? en };
  }
  return { tag: "en", locale: "en", messages: en };
}

function localeOf(preference: string | null | undefined, tag: string): string {
  try {
    return Intl.getCanonicalLocales(preference?.replace("_", "-"))[0] ?? tag;
  } catch {
    return tag;
  }
}

/** Texts for a code: the code's own, or those of `internal` for one that has none. */
export function wordsFor<T>(table: Readonly<Record<string, T>> & { internal: T }, code: string): T {
  return Object.hasOwn(table, code) ? (table[code] as T) : table.internal;
}

/** `m:ss`, or `h:mm:ss` from one hour on. */
export function formatDuration(milliseconds: number): string {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  const two = (value: number): string => String(value).padStart(2, "0");
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

export function formatTime(instant: string, locale: string): string {
  return new Date(instant).toLocaleTimeString(locale, { hour: "2-digit", minute: "2-digit" });
}

export function formatSize(bytes: number, locale: string): string {
  const megabytes = bytes / 1_000_000;
  return `${megabytes.toLocaleString(locale, { maximumFractionDigits: megabytes < 10 ? 1 : 0 })} MB`;
}
