/** Starts a page: takes the secrets out of the address bar, finds the language, draws. */

import { render, type FunctionComponent } from "preact";

import { chooseLanguage } from "../i18n";
import { parseLink, recall, startingPoint, strippedUrl, type Page } from "../session/credentials";
import { Runtime } from "../session/runtime";
import { App } from "../views/app";
import { ViewContext } from "../views/context";

export function mount(page: Page, call: FunctionComponent): void {
  const url = new URL(window.location.href);
  const link = parseLink(page, url);
  window.history.replaceState(null, "", strippedUrl(url));

  const language = chooseLanguage([link.language, ...navigator.languages]);
  document.documentElement.lang = language.tag;
  document.documentElement.classList.toggle("embedded", link.embedded);

  const runtime = new Runtime(page, startingPoint(link, recall(window.sessionStorage, page)), window.sessionStorage);
  const root = document.getElementById("app");
  if (!root) throw new Error("the page has no #app");
  root.replaceChildren();
  render(
    <ViewContext.Provider value={{ actions: runtime, language, embedded: link.embedded }}>
      <App call={call} />
    </ViewContext.Provider>,
    root,
  );
  runtime.start();
}
