// What the client and server layers raise themselves. Failed calls are raised as the transport reports them.
import { type Timestamp, timestampDate } from "@bufbuild/protobuf/wkt";
import { Code, ServiceError } from "../errors.js";
import { keepFacts } from "../facts.js";

/** An option or environment variable that cannot be used. */
export class SettingError extends RangeError {
  override readonly name = "SettingError";

  constructor(
    /** What is set, such as `CQC_TARGET`, `token` or `plaintext`. */
    readonly setting: string,
    /** What is wrong with it. */
    readonly problem: string,
    /** What to do. */
    readonly fix: string,
  ) {
    super(`${setting}: ${problem}; ${fix}`);
    keepFacts(this);
  }
}

/** The server's certificate was refused, or the server refused the client's. Repeating the call cannot help. */
export class CertificateError extends Error {
  override readonly name = "CertificateError";
  /** UNAVAILABLE, as for every call without a connection. */
  readonly code = Code.UNAVAILABLE;

  constructor(
    /** The server that was called. */
    readonly target: string,
    /** What the TLS library reported. */
    readonly detail: string,
    fix: string,
    cause?: unknown,
  ) {
    super(`no TLS connection to ${target}: ${detail}; ${fix}`, { cause });
  }
}

/** Returns whether an error is a CertificateError, of any copy of this package. */
export function isCertificateError(error: unknown): boolean {
  return error instanceof Error && error.name === "CertificateError";
}

// gRPC has no other sign of trouble with certificates than the text. The words are the same in all languages.
const ABOUT_TLS = /certificate|x509|\b(?:ssl|tls)|hostname verification|all addresses.*(?:unwrap|secure read) failed/i;
// A connection that broke during the handshake is an outage like any other, as when a load balancer lost its servers.
const ABOUT_OUTAGE =
  /eof|closed|reset|refused|time(?:d )?out|deadline|disconnected|broken pipe|hang up|unreachable|no route|alpn|application protocol/i;

/** Returns whether an error reports a connection that was not trusted. */
export function isUntrusted(error: unknown, text: string): boolean {
  if ((error as { code?: unknown }).code !== Code.UNAVAILABLE || ServiceError.of(error)) return false;
  return ABOUT_TLS.test(text) && !ABOUT_OUTAGE.test(text);
}

/** A server broke the contract, for example by repeating a page token. */
export class ProtocolError extends Error {
  override readonly name = "ProtocolError";

  constructor(
    /** The method, such as `ListTrades`. */
    readonly method: string,
    /** What the server did. */
    readonly problem: string,
  ) {
    super(`${method}: ${problem}; report it to whoever runs the server`);
    keepFacts(this);
  }
}

/** An order was sent, but whether it was placed is not known. */
export class OutcomeUnknownError extends Error {
  override readonly name = "OutcomeUnknownError";

  constructor(
    /** Account of the order. */
    readonly accountId: string,
    /** Client order id of the order. */
    readonly clientOrderId: string,
    /** Time at or after which the gateway sends nothing to the venue. */
    readonly sendBefore: Timestamp,
    /** The error of GetOrder if it was refused, else the refusal of a later PlaceOrder, else the first of PlaceOrder. */
    override readonly cause: unknown,
  ) {
    super(
      `the outcome of order ${clientOrderId} of account ${accountId} is not known: call GetOrder by its client order id; ` +
        `RECORD_NOT_FOUND is final if its \`checked_at\` is at or after ${timestampDate(sendBefore).toISOString()}`,
      { cause },
    );
  }
}
