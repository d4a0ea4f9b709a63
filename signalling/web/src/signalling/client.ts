/**
 * One socket.io connection to the server: calls with acknowledgement, events, and whether the line is up.
 *
 * Owns the connection and nothing else: who joins, and what a lost line means, is decided by the session.
 * The only module that imports socket.io.
 */

import { io, type Socket } from "socket.io-client";

import { SERVER_EVENTS, type Calls, type ServerEvent } from "./protocol";

/** Long enough for a slow phone network, short enough that a dead line is noticed by the person waiting. */
const ACK_TIMEOUT_MS = 12_000;
/** Pause before a connection that the server closed is opened again. */
const REOPEN_DELAY_MS = 1_000;

/** A refused or unanswered call. `code` is the server's, or `no_connection` when no answer came. */
export class CallError extends Error {
  override readonly name = "CallError";

  constructor(
    readonly code: string,
    message: string = code,
  ) {
    super(message);
  }
}

export interface SignallingListener {
  onUp(): void;
  onDown(): void;
  onEvent(event: ServerEvent): void;
}

/** What the session needs of the line to the server. */
export interface Signalling {
  open(): void;
  /** Drops the connection, if any, and opens a new one: the server accepts one attempt to join on each. */
  reopen(): void;
  close(): void;
  /** @throws {CallError} */
  call<N extends keyof Calls>(name: N, payload: Calls[N]["payload"]): Promise<Calls[N]["result"]>;
}

interface ErrorResult {
  error: { code: string; message: string };
}

function isErrorResult(answer: unknown): answer is ErrorResult {
  return typeof answer === "object" && answer !== null && "error" in answer;
}

export class SignallingClient implements Signalling {
  readonly #socket: Socket;
  #reopenTimer: ReturnType<typeof setTimeout> | undefined;
  #wanted = false;

  constructor(listener: SignallingListener) {
    this.#socket = io({
      autoConnect: false,
      // WebSocket at once saves two round trips; long-polling is for networks that block it.
      transports: ["websocket", "polling"],
      tryAllTransports: true,
      reconnectionDelay: 500,
      reconnectionDelayMax: 4_000,
      timeout: 8_000,
    });
    this.#socket.on("connect", () => listener.onUp());
    this.#socket.on("connect_error", () => listener.onDown());
    this.#socket.on("disconnect", (reason) => {
      listener.onDown();
      // socket.io reconnects by itself except when the server closed the connection.
      if (reason === "io server disconnect" && this.#wanted) this.#openLater();
    });
    for (const name of SERVER_EVENTS) {
      this.#socket.on(name, (payload: unknown) => listener.onEvent({ name, payload } as ServerEvent));
    }
  }

  open(): void {
    this.#wanted = true;
    this.#socket.connect();
  }

  reopen(): void {
    clearTimeout(this.#reopenTimer);
    this.#socket.disconnect();
    this.open();
  }

  close(): void {
    this.#wanted = false;
    clearTimeout(this.#reopenTimer);
    this.#socket.disconnect();
  }

  async call<N extends keyof Calls>(name: N, payload: Calls[N]["payload"]): Promise<Calls[N]["result"]> {
    // socket.io would keep the message and send it on the next connection, ahead of the `join`.
    if (!this.#socket.connected) throw new CallError("no_connection");
    let answer: Calls[N]["result"] | ErrorResult;
    try {
      answer = await this.#socket.timeout(ACK_TIMEOUT_MS).emitWithAck(name, payload);
    } catch {
      throw new CallError("no_connection");
    }
    if (isErrorResult(answer)) throw new CallError(answer.error.code, answer.error.message);
    return answer;
  }

  #openLater(): void {
    clearTimeout(this.#reopenTimer);
    this.#reopenTimer = setTimeout(() => {
      if (this.#wanted) this.#socket.connect();
    }, REOPEN_DELAY_MS);
  }
}
