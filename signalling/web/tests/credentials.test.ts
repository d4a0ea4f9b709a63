import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { parseLink, recall, remember, startingPoint, strippedUrl, type TabStorage } from "../src/session/credentials";
import { memory } from "./fixtures";

const url = (rest: string): URL => new URL(rest, "https://assist.example.org");
const hex = (digit: string): string => digit.repeat(32);

function storage(initial: Record<string, string> = {}): TabStorage & { content: Record<string, string> } {
  const content = initial;
  return {
    content,
    getItem: (key) => content[key] ?? null,
    setItem: (key, value) => {
      content[key] = value;
    },
  };
}

describe("the link", () => {
  it("gives a requester's credentials in either order, leading zeros kept", () => {
    const expected = { convId: "88a2c81a-2b5a-496f-8546-0d7bdde8", pwd: "012345" };
    assert.deepEqual(parseLink("requester", url(`/?convId=${expected.convId}&pwd=012345`)).credentials, expected);
    assert.deepEqual(parseLink("requester", url(`?pwd=012345&convId=${expected.convId}`)).credentials, expected);
  });

  it("gives an agent's token and nobody else's", () => {
    const link = url("/agent?convId=a&token=x.y.z&pwd=123456");
    assert.deepEqual(parseLink("agent", link).credentials, { convId: "a", token: "x.y.z" });
    assert.deepEqual(parseLink("requester", url("/?convId=a&token=x")).credentials, null);
  });

  it("gives a meeting's room from the path", () => {
    const link = url(`/private/${hex("a")}/${hex("0")}`);
    assert.deepEqual(parseLink("meeting", link).credentials, { roomName: `${hex("a")}:${hex("0")}` });
    assert.equal(parseLink("meeting", url("/private/a/b")).credentials, null);
  });

  it("reads name, language and embedding", () => {
    const { name, language, embedded } = parseLink("requester", url("/?name=%20Zo%C3%A9+M%20&lang=fr&embed=1"));
    assert.deepEqual([name, language, embedded], ["Zoé M", "fr", true]);
    assert.equal(parseLink("requester", url(`/?name=${"x".repeat(300)}`)).name?.length, 100);
    assert.equal(parseLink("requester", url("/?name=%20")).name, null);
  });

  it("loses its secrets and keeps the rest", () => {
    assert.equal(strippedUrl(url("/?convId=a&pwd=123456&name=Zo%C3%A9&lang=fr&embed=1")), "/?lang=fr&embed=1");
    assert.equal(strippedUrl(url("/agent?convId=a&token=t")), "/agent");
  });
});

describe("the tab's memory", () => {
  it("is what was put in, per page", () => {
    const tab = storage();
    remember(tab, "requester", memory);
    assert.deepEqual(recall(tab, "requester"), memory);
    assert.equal(recall(tab, "agent"), null);
  });

  it("is empty when it is unreadable or storage is refused", () => {
    assert.equal(recall(storage({ "sightline.requester": "{" }), "requester"), null);
    const refusing: TabStorage = {
      getItem: () => {
        throw new Error("SecurityError");
      },
      setItem: () => {
        throw new Error("QuotaExceededError");
      },
    };
    assert.equal(recall(refusing, "requester"), null);
    assert.doesNotThrow(() => remember(refusing, "requester", memory));
  });

  const held = { ...memory, resumeToken: "r", convId: "88a2c81a", name: "Alex", consent: true };
  const link = parseLink("requester", url("/?convId=88a2c81a&pwd=012345"));

  it("brings back a seat when the same link is opened again", () => {
    assert.equal(startingPoint(link, held)?.resumeToken, "r");
    assert.equal(startingPoint(link, held)?.consent, true);
  });

  it("counts for nothing in another room", () => {
    const other = parseLink("requester", url("/?convId=other&pwd=012345"));
    assert.deepEqual(startingPoint(other, held), { ...memory, credentials: { convId: "other", pwd: "012345" } });
  });

  it("is all there is after a reload without the link", () => {
    const bare = parseLink("requester", url("/"));
    assert.deepEqual(startingPoint(bare, held), held);
    assert.equal(startingPoint(bare, null), null);
  });
});
