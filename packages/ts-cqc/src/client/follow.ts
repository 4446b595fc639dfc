// Streams that continue after every interruption, over either driver.
import { BookBuilder, BookError } from "../book.js";
import { Code } from "../errors.js";
import type { StreamOrderBookResponse } from "../gen/cqc/services/v1/market_data_pb.js";
import { StreamResetReasonSchema } from "../gen/cqc/services/v1/stream_pb.js";
import { isCertificateError, ProtocolError } from "./errors.js";
import { methodOf } from "./pages.js";
import { retryDelayOf } from "./retry_info.js";
import type { CallOptions } from "./types.js";
import { Backoff, codeName, codeOf, sleep } from "./waiting.js";

/** A response of a stream that can be resumed. */
interface Resumable {
  readonly $typeName: string;
  readonly event: { readonly case: string | undefined };
  readonly resumeToken: string;
}

// `never` accepts every request type, so that the method's own type is inferred.
type Stream = (request: never, options?: CallOptions) => AsyncIterable<Resumable>;
type MessageOf<S extends Stream> = ReturnType<S> extends AsyncIterable<infer M extends Resumable> ? M : never;

/** Why a stream was interrupted, and when the next attempt follows. */
export interface Lost {
  /** `SILENCE`, `END`, or the name of the gRPC code, such as `UNAVAILABLE`. */
  readonly cause: string;
  /** What the transport reported; undefined after SILENCE and END. */
  readonly error?: unknown;
  /** Milliseconds until the next attempt. */
  readonly delayMs: number;
}

/** How to follow a stream. */
export interface FollowOptions extends CallOptions {
  /** Called after every interruption, before the next attempt. */
  onLost?: (lost: Lost) => void;
}

/** Whether the book of a BookUpdate can be used. */
export const BookState = {
  /** The book is the venue's. */
  LIVE: "LIVE",
  /** The connection is lost. The book is the last one known. */
  STALE: "STALE",
  /** The book is not known; a new one follows. */
  RESET: "RESET",
} as const;
export type BookState = (typeof BookState)[keyof typeof BookState];

/** The book of a listing after a change. */
export type BookUpdate = KnownBook | NoBook;

/** A book that is known. */
export interface KnownBook {
  /** The book, which later updates change in place. */
  readonly book: BookBuilder;
  readonly state: typeof BookState.LIVE | typeof BookState.STALE;
  /** The cause of STALE, as in Lost. Empty for LIVE. */
  readonly reason: string;
}

/** A book that is not known. */
export interface NoBook {
  readonly book: undefined;
  readonly state: typeof BookState.RESET;
  /** Why the book is not known, such as `SEQUENCE_GAP`. */
  readonly reason: string;
}

/**
 * Yields the messages of a stream, except heartbeats, and resumes it after every interruption.
 *
 *     for await (const { event } of follow(marketData.streamTrades, { venueSymbolIds })) ...
 *
 * Each message comes at least once: its token counts as processed when the loop asks for the next message. Three
 * heartbeat intervals of silence, the end of the stream, and errors that pass are interruptions; other errors are thrown.
 * Leaving the loop ends the call, and aborting `signal` makes it throw.
 */
export function follow<S extends Stream>(
  stream: S,
  request: Parameters<S>[0],
  options: FollowOptions = {},
): AsyncGenerator<MessageOf<S>, void, void> {
  return attempts<MessageOf<S>, MessageOf<S>>(stream as never, request, options, {
    isSuspect: false,
    *receive(message) {
      if (message.event.case !== "heartbeat") yield message;
      return false;
    },
    *lose() {},
  });
}

/**
 * Yields the book of a listing after each change, and rebuilds it after every interruption, gap or wrong checksum, after
 * a delay that grows if a gap or a wrong checksum comes again before a change fits.
 *
 *     for await (const { book, state } of followBook(marketData.streamOrderBook, { venueSymbolId })) {
 *       if (state === BookState.LIVE) quote(book.bids()[0], book.asks()[0]);
 *     }
 *
 * Throws as `follow` does, and a ProtocolError for a delta without a snapshot before it.
 */
export function followBook<S extends (request: never, options?: CallOptions) => AsyncIterable<StreamOrderBookResponse>>(
  stream: S,
  request: Parameters<S>[0],
  options: FollowOptions = {},
): AsyncGenerator<BookUpdate, void, void> {
  const backoff = new Backoff();
  return attempts<StreamOrderBookResponse, BookUpdate>(stream as never, request, options, new Books(backoff), backoff);
}

/** What becomes of the messages of a stream. */
interface Reader<M, T> {
  /** Whether the stream started anew and is not known to be sound again. Its messages then do not reset the backoff. */
  readonly isSuspect: boolean;
  /** Yields what the consumer gets for a message. Returns true to drop the token and start anew. */
  receive(message: M): Generator<T, boolean>;
  /** Yields what the consumer gets for an interruption, before the stream is resumed with the token. */
  lose(lost: Lost, resumeToken: string): Iterable<T>;
}

class Books implements Reader<StreamOrderBookResponse, BookUpdate> {
  /** The book that the consumer knows. */
  private known: BookBuilder | undefined;
  /** The book that messages change: the known one, except between a snapshot and its end. */
  private built: BookBuilder | undefined;
  private stale = false;
  isSuspect = false;

  constructor(private readonly backoff: Backoff) {}

  *receive(message: StreamOrderBookResponse): Generator<BookUpdate, boolean> {
    const { event } = message;
    let changed = false;
    const wasLive = this.known !== undefined && this.known === this.built && !this.stale;
    try {
      if (event.case === "snapshot") this.built = new BookBuilder(event.value, { verifyChecksums: true });
      if (event.case === "delta") {
        changed = this.fed(message, "delta").apply(event.value);
      }
    } catch (error) {
      if (!(error instanceof BookError)) throw error;
      this.isSuspect = true;
      yield this.drop(error.kind.toUpperCase());
      return true;
    }
    if (this.isSuspect && wasLive && (changed || event.case === "heartbeat")) {
      this.isSuspect = false;
      this.backoff.reset();
    }
    if (event.case === "reset") {
      yield this.drop(StreamResetReasonSchema.value[event.value.reason]?.name ?? `${event.value.reason}`);
      return false;
    }
    if (event.case === "snapshotComplete") {
      this.known = this.fed(message, "snapshot_complete");
      changed = true;
    }
    if (this.known && this.known === this.built && (changed || this.stale)) {
      this.stale = false;
      yield { book: this.known, state: BookState.LIVE, reason: "" };
    }
    return false;
  }

  *lose({ cause }: Lost, resumeToken: string): Iterable<BookUpdate> {
    // Without a token, or with one from within a snapshot, the server starts the snapshot anew.
    if (resumeToken === "" || this.built !== this.known) this.built = undefined;
    if (!this.known || this.stale) return;
    this.stale = true;
    yield { book: this.known, state: BookState.STALE, reason: cause };
  }

  private fed(message: StreamOrderBookResponse, event: string): BookBuilder {
    if (!this.built) throw new ProtocolError(methodOf(message), `${event} came before any snapshot`);
    return this.built;
  }

  private drop(reason: string): BookUpdate {
    this.known = undefined;
    this.built = undefined;
    this.stale = false;
    return { book: undefined, state: BookState.RESET, reason: reason.replace("STREAM_RESET_REASON_", "") };
  }
}

async function* attempts<M extends Resumable, T>(
  stream: (request: object, options: CallOptions) => AsyncIterable<M>,
  request: { resumeToken?: string; heartbeatInterval?: { seconds?: bigint; nanos?: number } },
  { onLost, ...options }: FollowOptions,
  reader: Reader<M, T>,
  backoff = new Backoff(),
): AsyncGenerator<T, void, void> {
  const { signal } = options;
  const silenceMs = 3 * intervalMs(request.heartbeatInterval);
  let { resumeToken = "" } = request;
  for (;;) {
    signal?.throwIfAborted();
    const attempt = new Attempt(signal, silenceMs);
    let ending: Ending | undefined;
    let anew = false;
    try {
      const messages = stream({ ...request, resumeToken }, { ...options, signal: attempt.signal })[
        Symbol.asyncIterator
      ]();
      for (;;) {
        const received = await attempt.next(messages);
        if ("cause" in received) {
          ending = received;
          break;
        }
        if (!reader.isSuspect) backoff.reset();
        anew = yield* reader.receive(received.message);
        resumeToken = anew ? "" : received.message.resumeToken;
        if (anew) break;
      }
    } finally {
      attempt.end();
    }
    const delayMs = Math.max(backoff.next(), retryDelayOf(ending?.error ?? {}) ?? 0);
    if (ending) {
      if (ending.error !== undefined && !passes(ending.error, options)) throw ending.error;
      const lost = { ...ending, delayMs };
      onLost?.(lost);
      yield* reader.lose(lost, resumeToken);
    }
    await sleep(delayMs, signal);
  }
}

type Ending = Pick<Lost, "cause" | "error">;

/** One call, which ends when the caller's signal is aborted or the server is silent. */
class Attempt {
  private readonly controller = new AbortController();
  private readonly forward = () => this.controller.abort(this.caller?.reason);
  private timer: ReturnType<typeof setTimeout> | undefined;
  private silent = false;
  /** When the server is considered silent; infinite while the consumer works on a message. */
  private deadline = Number.POSITIVE_INFINITY;
  readonly signal = this.controller.signal;

  constructor(
    private readonly caller: AbortSignal | undefined,
    private readonly silenceMs: number,
  ) {
    caller?.addEventListener("abort", this.forward, { once: true });
  }

  /** Returns the next message, or why there is none. Throws if the caller's signal is aborted. */
  async next<M>(messages: AsyncIterator<M>): Promise<{ message: M } | Ending> {
    this.deadline = performance.now() + this.silenceMs;
    this.timer ??= setTimeout(this.look, this.silenceMs);
    try {
      const { done, value } = await messages.next();
      return done ? { cause: "END" } : { message: value };
    } catch (error) {
      if (this.caller?.aborted) throw error;
      if (this.silent) return { cause: "SILENCE" };
      const code = codeOf(error);
      if (code === undefined) throw error;
      return { cause: codeName(code), error };
    } finally {
      this.deadline = Number.POSITIVE_INFINITY;
    }
  }

  /** Ends the call. */
  end(): void {
    clearTimeout(this.timer);
    this.caller?.removeEventListener("abort", this.forward);
    this.controller.abort();
  }

  // One timer that looks at the deadline costs less than one per message.
  private readonly look = () => {
    const left = this.deadline - performance.now();
    this.timer = undefined;
    if (left === Number.POSITIVE_INFINITY) return;
    if (left > 0) {
      this.timer = setTimeout(this.look, left);
      return;
    }
    this.silent = true;
    this.controller.abort();
  };
}

/** Returns whether the next attempt may succeed. */
function passes(error: unknown, { timeoutMs = 0 }: CallOptions): boolean {
  if (isCertificateError(error)) return false;
  if (retryDelayOf(error) !== undefined) return true;
  const code = codeOf(error);
  if (code === Code.DEADLINE_EXCEEDED) return timeoutMs <= 0;
  return code === Code.UNAVAILABLE || code === Code.CANCELLED || code === Code.INTERNAL || code === Code.UNKNOWN;
}

function intervalMs(interval: { seconds?: bigint; nanos?: number } | undefined): number {
  return interval ? Number(interval.seconds ?? 0n) * 1000 + (interval.nanos ?? 0) / 1e6 : 5000;
}
