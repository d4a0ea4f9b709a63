import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";

import { chooseLanguage, formatDuration, wordsFor } from "../src/i18n";
import { en } from "../src/i18n/en";
import { fr } from "../src/i18n/fr";

function texts(tree: object, path = ""): [string, unknown][] {
  return Object.entries(tree).flatMap(([key, value]) =>
    typeof value === "object" && value !== null ? texts(value, `${path}${key}.`) : [[path + key, value] as [string, unknown]],
  );
}

describe("languages", () => {
  it("are chosen by the first wish that can be met", () => {
    assert.equal(chooseLanguage(["xx", "fr-CA", "en"]).tag, "fr");
    assert.equal(chooseLanguage([null, undefined, ""]).tag, "en");
    assert.equal(chooseLanguage(["constructor"]).tag, "en");
  });

  it("keep the region for dates", () => {
    assert.equal(chooseLanguage(["en_GB"]).locale, "en-GB");
    assert.equal(chooseLanguage(["en-!"]).locale, "en");
  });

  it("have every text, and no empty one", () => {
    for (const messages of [en, fr]) {
      for (const [key, value] of texts(messages)) {
        assert.ok(typeof value === "function" || (typeof value === "string" && value.trim() !== ""), key);
      }
    }
    assert.deepEqual(texts(fr).map(([key]) => key), texts(en).map(([key]) => key));
  });

  it("share no untranslated sentence", () => {
    const english = new Map(texts(en));
    const same = texts(fr).filter(([key, value]) => value === english.get(key) && String(value).includes(" "));
    assert.deepEqual(same, []);
  });
});

describe("words for codes", () => {
  it("exist for every error code of the protocol that ends at a page or a notice", () => {
    const protocol = readFileSync(new URL("../README.md", `file://${process.cwd()}/`), "utf8");
    const codes = [...(protocol.split("### Error codes")[1] ?? "").matchAll(/^\| ([^|]+) \|/gm)]
      .flatMap((row) => [...(row[1] ?? "").matchAll(/`(\w+)`/g)].map((match) => match[1] ?? ""))
      .filter((code) => code !== "");
    assert.ok(codes.includes("access_denied") && codes.includes("recording_off"));
    // Asked again in a card, handled without a word, or impossible for this client: our fault then.
    const wordless = new Set([
      "consent_required", "position_required", "not_joined", "already_joined", "invalid_message",
      "unknown_event", "bad_sdp", "unknown_track", "connection_lost",
    ]);
    const missing = codes.filter((code) => !wordless.has(code) && !(code in en.failed) && !(code in en.notice));
    assert.deepEqual(missing, []);
  });

  it("fall back to our own fault", () => {
    assert.equal(wordsFor(en.notice, "no_picture"), en.notice.no_picture);
    assert.equal(wordsFor(en.notice, "toString"), en.notice.internal);
  });
});

describe("durations", () => {
  it("are written as a clock", () => {
    assert.equal(formatDuration(0), "0:00");
    assert.equal(formatDuration(75_400), "1:15");
    assert.equal(formatDuration(3_725_000), "1:02:05");
    assert.equal(formatDuration(-5), "0:00");
  });
});
