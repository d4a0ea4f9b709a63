/** Holds the session's state and tells whoever draws it; every change goes through `update`. */

import type { Effect, SessionEvent, SessionState } from "./state";
import { update } from "./update";

export class Store {
  #state: SessionState;
  readonly #perform: (effect: Effect) => void;
  readonly #listeners = new Set<() => void>();

  constructor(state: SessionState, perform: (effect: Effect) => void) {
    this.#state = state;
    this.#perform = perform;
  }

  get state(): SessionState {
    return this.#state;
  }

  dispatch(event: SessionEvent): void {
    const { state, effects } = update(this.#state, event);
    if (state !== this.#state) {
      this.#state = state;
      for (const listener of this.#listeners) listener();
    }
    for (const effect of effects) this.#perform(effect);
  }

  /** @returns the function that ends the subscription. */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
