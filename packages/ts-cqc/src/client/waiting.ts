import { Code } from "../errors.js";

/** The time between attempts: 100 ms, doubling to 2 s, with 20 % jitter. */
export class Backoff {
  private nextMs: number;

  constructor(
    private readonly initialMs = 100,
    private readonly maxMs = 2000,
  ) {
    this.nextMs = initialMs;
  }

  /** Returns the milliseconds to wait before the next attempt. */
  next(): number {
    const wait = this.nextMs * (0.8 + 0.4 * Math.random());
    this.nextMs = Math.min(this.nextMs * 2, this.maxMs);
    return wait;
  }

  /** Starts over, after an attempt that reached the server. */
  reset(): void {
    this.nextMs = this.initialMs;
  }
}

/** Waits, and rejects with the signal's reason as soon as it is aborted. */
export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", abort);
      resolve();
    }, ms);
    if (signal?.aborted) abort();
    else signal?.addEventListener("abort", abort, { once: true });
  });
}

/** Returns the gRPC code of an error of @grpc/grpc-js or of Connect; undefined for an error that is none of a call. */
export function codeOf(error: unknown): number | undefined {
  const code = (error as { code?: unknown } | undefined)?.code;
  return Object.values(Code).find((known) => known === code);
}

/** Returns the name of the code, such as `UNAVAILABLE`. */
export function codeName(code: number): string {
  return Object.keys(Code).find((name) => Code[name as keyof typeof Code] === code) ?? `${code}`;
}
