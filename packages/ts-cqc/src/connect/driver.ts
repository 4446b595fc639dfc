// Connections over the transports of @connectrpc/connect, in browsers and in Node.js.
import type { DescService } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient, type Interceptor, type Transport } from "@connectrpc/connect";
import { CertificateError, isUntrusted, SettingError } from "../client/errors.js";
import { withRequestId } from "../client/request_id.js";
import { isRepeatable, RETRY } from "../client/retry_policy.js";
import { bearer, checkTimeout, checkToken, type Token } from "../client/settings.js";
import type { CallOptions, Client, Connection } from "../client/types.js";
import { Backoff, sleep } from "../client/waiting.js";

/** Makes a transport, as `createConnectTransport` does. */
export type TransportFactory = (options: { baseUrl: string; interceptors: Interceptor[] }) => Transport;

/** How to reach a server. */
export interface ConnectOptions {
  /**
   * A transport, or a function that makes one, such as `createConnectTransport` of @connectrpc/connect-web. A token needs
   * the function, because a finished transport does not tell whether it encrypts.
   */
  transport: Transport | TransportFactory;
  /** URL of the server, such as `https://cqc.example.com`, for the function that makes the transport. */
  baseUrl?: string;
  /** Sent with every call, over https only. */
  token?: Token;
  /** Milliseconds after which a unary call without a `timeoutMs` of its own fails; 10 s by default, 0 means never. */
  timeoutMs?: number;
}

/**
 * Connects to a server. Calls that can be repeated are repeated while the server is not available.
 *
 *     import { createConnectTransport } from "@connectrpc/connect-web";
 *     const connection = connect({ transport: createConnectTransport, baseUrl: "https://cqc.example.com", token });
 *     const price = await connection.client(MarketData).getPrice({ assetId: "BTC" });
 *
 * Throws a SettingError for an option that cannot be used. Reads no environment variables.
 */
export function connect(options: ConnectOptions): Connection {
  const { baseUrl = "the server", timeoutMs = 10_000 } = options;
  checkTimeout(timeoutMs);
  const transport = new PolicyTransport(transportOf(options), baseUrl, timeoutMs);
  return {
    client<D extends DescService>(service: D): Client<D> {
      const calls = createClient(service, transport) as Record<string, Stream>;
      for (const { methodKind, localName } of service.methods) {
        if (methodKind === "server_streaming") calls[localName] = cancelling(calls[localName] as Stream);
      }
      return calls as unknown as Client<D>;
    },
    close() {},
  };
}

type Stream = (request: object, options?: CallOptions) => AsyncIterable<unknown>;

/** Ends the call when the caller leaves the loop, which Connect's own clients do not. */
function cancelling(open: Stream): Stream {
  return async function* (request, { signal, ...options } = {}) {
    const controller = new AbortController();
    const abort = () => controller.abort(signal?.reason);
    if (signal?.aborted) abort();
    signal?.addEventListener("abort", abort, { once: true });
    try {
      yield* open(request, { ...options, signal: controller.signal });
    } finally {
      signal?.removeEventListener("abort", abort);
      controller.abort();
    }
  };
}

function transportOf({ transport, baseUrl, token = "" }: ConnectOptions): Transport {
  if (typeof transport !== "function") {
    if (!token) return transport;
    const problem = "a finished transport does not tell whether it encrypts";
    throw new SettingError("token", problem, "pass the function that makes the transport, and `baseUrl`");
  }
  if (!baseUrl) throw new SettingError("baseUrl", "no server is set", "pass its URL, such as https://cqc.example.com");
  if (!token) return transport({ baseUrl, interceptors: [] });
  if (!baseUrl.startsWith("https:")) {
    const fix = "use an https URL, or leave out `token`";
    throw new SettingError("baseUrl", "everyone on the network could read the token", fix);
  }
  checkToken("token", token);
  const authorize: Interceptor = (next) => async (request) => {
    request.header.set("authorization", await bearer(token));
    return next(request);
  };
  return transport({ baseUrl, interceptors: [authorize] });
}

/** Adds request ids, deadlines and retries to a transport. */
class PolicyTransport implements Transport {
  private tokens: number = RETRY.maxTokens;

  constructor(
    private readonly inner: Transport,
    private readonly target: string,
    private readonly timeoutMs: number,
  ) {}

  stream: Transport["stream"] = async (method, signal, timeoutMs = 0, ...rest) => {
    const deadline = timeoutMs > 0 ? performance.now() + timeoutMs : undefined;
    const explain = (error: unknown) => this.explain(error, deadline, signal);
    try {
      // Zero also switches off the transport's own default.
      const response = await this.inner.stream(method, signal, Math.ceil(timeoutMs), ...rest);
      return { ...response, message: explained(response.message, explain) };
    } catch (error) {
      throw explain(error);
    }
  };

  unary: Transport["unary"] = async (method, signal, timeoutMs = this.timeoutMs, header, input, context) => {
    const request = withRequestId(method, input);
    const deadline = timeoutMs > 0 ? performance.now() + timeoutMs : undefined;
    // Headers state whole milliseconds.
    const left = () => (deadline === undefined ? 0 : Math.max(1, Math.ceil(deadline - performance.now())));
    const backoff = new Backoff(RETRY.initialBackoffMs, RETRY.maxBackoffMs);
    for (let attempt = 1; ; attempt++) {
      try {
        const response = await this.inner.unary(method, signal, left(), header, request as typeof input, context);
        this.tokens = Math.min(RETRY.maxTokens, this.tokens + RETRY.tokenRatio);
        return response;
      } catch (failure) {
        const error = this.explain(failure, deadline, signal);
        if (!(error instanceof ConnectError) || !isUnavailable(error) || signal?.aborted) throw error;
        this.tokens = Math.max(0, this.tokens - 1);
        const pushback = error.metadata.get("grpc-retry-pushback-ms");
        const isPushback = pushback !== null;
        if (!isRepeatable(method) || attempt === RETRY.maxAttempts || this.tokens <= RETRY.maxTokens / 2) throw error;
        if (isPushback && !/^\d+$/.test(pushback)) throw error;
        if (isPushback) backoff.reset();
        const wait = isPushback ? Number(pushback) : backoff.next();
        const isLate = deadline !== undefined && wait >= left();
        await sleep(isLate ? left() : wait, signal).catch(() => {
          throw new ConnectError("the call was cancelled", Code.Canceled);
        });
        if (isLate) throw new ConnectError("the deadline passed", Code.DeadlineExceeded, undefined, undefined, error);
      }
    }
  };

  /** Names trouble with certificates, lost connections and passed deadlines, for which Connect may have other codes. */
  private explain(error: unknown, deadline: number | undefined, signal: AbortSignal | undefined): unknown {
    if (!(error instanceof ConnectError)) return error;
    // A server may reset a call whose deadline has passed before the transport's own timer runs.
    if (error.code === Code.Canceled && !signal?.aborted && deadline !== undefined && performance.now() >= deadline) {
      return new ConnectError("the deadline passed", Code.DeadlineExceeded, error.metadata, undefined, error);
    }
    // A browser tells nothing. Node.js has codes such as DEPTH_ZERO_SELF_SIGNED_CERT; fetch wraps them once more.
    const cause = error.cause as (NodeError & { cause?: NodeError }) | undefined;
    const causes = [cause, cause?.cause];
    if (error.code === Code.Aborted && causes.some((item) => LOST.test(`${item?.code}`))) {
      return new ConnectError(error.rawMessage, Code.Unavailable, error.metadata, undefined, cause);
    }
    const found = causes.find((item) => /CERT|SSL|TLS|^UNABLE_TO_/.test(`${item?.code}`));
    if (!found && !isUntrusted(error, error.rawMessage)) return error;
    const fix =
      "pass the transport the CA that signed the server's certificate, and a client certificate if the server requires " +
      "one, such as `nodeOptions: { ca, cert, key }`";
    return new CertificateError(this.target, found?.message ?? error.rawMessage, fix, error);
  }
}

async function* explained<M>(messages: AsyncIterable<M>, explain: (error: unknown) => unknown): AsyncGenerator<M> {
  try {
    yield* messages;
  } catch (error) {
    throw explain(error);
  }
}

/** Codes of Node.js for a connection that broke, which Connect reports as ABORTED: nothing to repeat. */
const LOST = /^(ECONNRESET|ERR_STREAM_DESTROYED|ERR_HTTP2_INVALID_STREAM)$/;

type NodeError = { code?: unknown; message?: string };

/** A browser reports a server that it cannot reach as a TypeError of `fetch`. */
function isUnavailable({ code, cause }: ConnectError): boolean {
  return code === Code.Unavailable || (code === Code.Unknown && cause instanceof TypeError);
}
