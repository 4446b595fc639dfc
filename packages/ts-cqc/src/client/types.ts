import type { DescMessage, DescService, MessageInitShape, MessageShape } from "@bufbuild/protobuf";

/** How one call is made. Connect's own call options include these. */
export interface CallOptions {
  /** Cancels the call. */
  signal?: AbortSignal;
  /**
   * Milliseconds until the call fails with DEADLINE_EXCEEDED; 0 means no limit. Absent means the connection's `timeoutMs`
   * for a unary call and no limit for a stream.
   */
  timeoutMs?: number;
  /** Metadata to send with the call. */
  headers?: Record<string, string>;
}

/**
 * A client of a service: a promise for each unary method, an async iterable for each stream.
 *
 * A call fails with what the transport reports, an error of @grpc/grpc-js or a ConnectError; `ServiceError.of` reads
 * either. Methods that stream requests, which CQC does not have, are left to the transport's own clients.
 */
export type Client<D extends DescService> = {
  [K in keyof D["method"]]: D["method"][K] extends {
    methodKind: infer Kind;
    input: infer I extends DescMessage;
    output: infer O extends DescMessage;
  }
    ? Kind extends "unary"
      ? (request: MessageInitShape<I>, options?: CallOptions) => Promise<MessageShape<O>>
      : Kind extends "server_streaming"
        ? (request: MessageInitShape<I>, options?: CallOptions) => AsyncIterable<MessageShape<O>>
        : never
    : never;
};

/** A connection to a server. */
export interface Connection {
  /** Returns a client of a service, such as `MarketData`. Clients of one connection share its channel. */
  client<D extends DescService>(service: D): Client<D>;
  /** Ends the connection, once the calls in flight have ended. */
  close(): void;
}
