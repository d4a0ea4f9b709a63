/**
 * What the link carries, and what this tab remembers of it.
 *
 * The link's secrets leave the address bar as soon as the page has read them. They stay in the tab's
 * sessionStorage, so that a reload finds its way back, and nowhere else.
 */

import type { Credentials, Geolocation } from "../signalling/protocol";

export type Page = "requester" | "agent" | "meeting";

/** The parts of a link: whom it lets in, and how the page is to look. */
export interface Link {
  credentials: Credentials | null;
  name: string | null;
  language: string | null;
  embedded: boolean;
}

/** What a tab remembers between two loads of the page. */
export interface Memory {
  credentials: Credentials;
  resumeToken: string | null;
  convId: string | null;
  name: string | null;
  consent: boolean;
  geolocation: Geolocation | null;
}

/** The two methods of Web Storage that are used. */
export type TabStorage = Pick<Storage, "getItem" | "setItem">;

const MEMORY_KEY = "sightline";
const MAX_NAME_LENGTH = 100;
const SECRET_PARAMETERS = ["convId", "pwd", "token", "name"];

/** Reads the link that opened `page`; `credentials` is null when the link is not whole. */
export function parseLink(page: Page, url: URL): Link {
  const query = url.searchParams;
  return {
    credentials: page === "meeting" ? meetingCredentials(url.pathname) : roomCredentials(page, query),
    name: query.get("name")?.trim().slice(0, MAX_NAME_LENGTH) || null,
    language: query.get("lang"),
    embedded: query.get("embed") === "1",
  };
}

function meetingCredentials(path: string): Credentials | null {
  const match = /^\/private\/([0-9a-f]{32})\/([0-9a-f]{32})\/?$/.exec(path);
  return match ? { roomName: `${match[1]}:${match[2]}` } : null;
}

function roomCredentials(page: Page, query: URLSearchParams): Credentials | null {
  const convId = query.get("convId");
  const pwd = query.get("pwd");
  const token = query.get("token");
  if (!convId) return null;
  if (page === "agent") return token ? { convId, token } : null;
  return pwd ? { convId, pwd } : null;
}

/** `url` without its secrets, as path and query for `history.replaceState`. A meeting's path names its room. */
export function strippedUrl(url: URL): string {
  const query = new URLSearchParams(url.search);
  for (const parameter of SECRET_PARAMETERS) query.delete(parameter);
  const rest = query.toString();
  return url.pathname + (rest ? `?${rest}` : "");
}

/** What the tab remembers for `page`, or null when it remembers nothing that can be read. */
export function recall(storage: TabStorage, page: Page): Memory | null {
  try {
    const stored = storage.getItem(`${MEMORY_KEY}.${page}`);
    return stored === null ? null : (JSON.parse(stored) as Memory | null);
  } catch {
    return null;
  }
}

/** Remembers, or with null forgets. A browser that keeps no storage only loses the way back after a reload. */
export function remember(storage: TabStorage, page: Page, memory: Memory | null): void {
  try {
    storage.setItem(`${MEMORY_KEY}.${page}`, JSON.stringify(memory));
  } catch {
    return;
  }
}

/**
 * What the session starts from: the link wins over the memory, except that a link to the same room as before
 * keeps its seat, its consent and its name.
 */
export function startingPoint(link: Link, memory: Memory | null): Memory | null {
  if (link.credentials === null) return memory && { ...memory, name: link.name ?? memory.name };
  const same = memory !== null && sameRoom(link.credentials, memory.credentials);
  return {
    credentials: link.credentials,
    resumeToken: same ? memory.resumeToken : null,
    convId: same ? memory.convId : null,
    consent: same && memory.consent,
    geolocation: same ? memory.geolocation : null,
    name: link.name ?? (same ? memory.name : null),
  };
}

function sameRoom(a: Credentials, b: Credentials): boolean {
  if ("roomName" in a) return "roomName" in b && a.roomName === b.roomName;
  return "convId" in b && a.convId === b.convId;
}
