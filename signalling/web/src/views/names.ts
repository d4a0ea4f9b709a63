/** How people are called when they gave no name. */

import type { Messages } from "../i18n";
import type { Participant } from "../signalling/protocol";

export function displayName(participant: Pick<Participant, "name" | "role">, texts: Messages): string {
  if (participant.name) return participant.name;
  if (participant.role === "agent") return texts.call.agent;
  if (participant.role === "requester") return texts.call.requester;
  return texts.call.participant;
}

/** Up to two letters for a picture that is not there. */
export function initials(name: string): string {
  const words = name.trim().split(/\s+/);
  const letters = [words[0], words.length > 1 ? words.at(-1) : undefined].map((word) => [...(word ?? "")][0] ?? "");
  return letters.join("").toUpperCase();
}
