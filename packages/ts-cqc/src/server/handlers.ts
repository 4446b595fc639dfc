// Handlers as promises and async iterables, for a server of @grpc/grpc-js.
import { once } from "node:events";
import type { DescMessage, DescMethod, DescService, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import * as grpc from "@grpc/grpc-js";
import { type Principal, principalOf } from "../access.js";
import { serviceDefinition } from "../definitions.js";
import { ServiceError } from "../errors.js";
import { statusOf } from "../grpc.js";

/** The call that a handler answers. */
export interface Context {
  /** Aborted when the client is gone, or, for a stream, when the server stops. */
  readonly signal: AbortSignal;
  /** What the client sent with the call. */
  readonly metadata: grpc.Metadata;
  /** The caller. Undefined if the server does not verify tokens, and for services other than those of CQC. */
  readonly principal: Principal | undefined;
  /** When the client gives up. Undefined if it waits without limit. */
  readonly deadline: Date | undefined;
}

/**
 * The handlers of a service: a function for each unary method, an async generator for each stream. A method without one
 * fails with UNIMPLEMENTED.
 *
 * A ServiceError that a handler throws reaches the client, and so does a status of @grpc/grpc-js, such as
 * `{ code: status.UNAVAILABLE, details: "..." }`. Of any other error, the client sees only INTERNAL; the rest is logged.
 */
export type Handlers<D extends DescService> = {
  [K in keyof D["method"]]?: D["method"][K] extends {
    methodKind: infer Kind;
    input: infer I extends DescMessage;
    output: infer O extends DescMessage;
  }
    ? Kind extends "unary"
      ? (request: MessageShape<I>, context: Context) => Promise<MessageInitShape<O>> | MessageInitShape<O>
      : Kind extends "server_streaming"
        ? (request: MessageShape<I>, context: Context) => AsyncIterable<Sent<MessageInitShape<O>>>
        : never
    : never;
};

// The events of a stream, as TypeScript infers them from a generator that yields several: each literal then has the fields
// of all others as absent ones, which leaves an empty event, such as `{}` of a heartbeat, with no field of its own.
type Sent<M> = { [F in keyof M]: SentOneof<M[F]> };
type SentOneof<F> = F extends { case: infer C extends string; value: infer V extends object }
  ? { case: C; value: V | { [field: string]: undefined } }
  : F;

/** A service with its handlers, for `serve`. */
export interface Service {
  readonly descriptor: DescService;
  readonly handlers: object;
}

/** Returns a service, such as `MarketData`, with its handlers, which may be an object of a class. */
export function service<D extends DescService>(descriptor: D, handlers: Handlers<D>): Service {
  return { descriptor, handlers };
}

/** The open streams of a server, as functions that end them. */
export type OpenStreams = Set<() => void>;

type Handler = (request: unknown, context: Context) => unknown;
type UnaryCall = grpc.ServerUnaryCall<unknown, unknown>;
type StreamCall = grpc.ServerWritableStream<unknown, unknown>;

/** Adds a service to a server. */
export function addService(server: grpc.Server, { descriptor, handlers }: Service, streams: OpenStreams): void {
  const implementation: grpc.UntypedServiceImplementation = {};
  for (const method of descriptor.methods) {
    const handler = (handlers as Record<string, Handler | undefined>)[method.localName]?.bind(handlers);
    if (!handler) continue;
    if (method.methodKind === "unary") implementation[method.localName] = unary(method, handler);
    else if (method.methodKind === "server_streaming") {
      implementation[method.localName] = streaming(method, handler, streams);
    }
  }
  server.addService(serviceDefinition(descriptor), implementation);
}

function unary(method: DescMethod, handler: Handler): grpc.handleUnaryCall<unknown, unknown> {
  return (call, callback) => {
    const controller = cancellation(call);
    Promise.resolve()
      .then(() => handler(call.request, contextOf(call, controller.signal)))
      .then(
        (response) => callback(null, response),
        (error: unknown) => callback(failure(method, error, controller.signal)),
      );
  };
}

function streaming(
  method: DescMethod,
  handler: Handler,
  streams: OpenStreams,
): grpc.handleServerStreamingCall<unknown, unknown> {
  return (call) => {
    const controller = cancellation(call);
    const stop = () => {
      end(status(grpc.status.UNAVAILABLE, "the server is stopping"));
      controller.abort();
    };
    const end = (error?: Partial<grpc.StatusObject>) => {
      if (!streams.delete(stop)) return;
      if (error) call.emit("error", error);
      else call.end();
    };
    streams.add(stop);
    controller.signal.addEventListener("abort", () => streams.delete(stop), { once: true });
    send(call, () => handler(call.request, contextOf(call, controller.signal)), controller.signal).then(
      () => end(),
      (error: unknown) => end(failure(method, error, controller.signal)),
    );
  };
}

/** Sends messages as fast as the client takes them, until the call is over. */
async function send(call: StreamCall, open: () => unknown, signal: AbortSignal): Promise<void> {
  const orOver = interruptible(signal);
  const messages = (open() as AsyncIterable<unknown>)[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = await orOver(messages.next());
      if (!next || next.done || signal.aborted) return;
      if (!call.write(next.value)) await orOver(once(call, "drain", { signal }));
    }
  } finally {
    // A generator that waits for something else ends when it next looks; nobody waits for that.
    void Promise.resolve(messages.return?.()).catch(() => {});
  }
}

/** Returns a function that waits for a promise, but no longer than the call. Promise.race would keep every promise. */
function interruptible(signal: AbortSignal): <T>(promise: Promise<T>) => Promise<T | undefined> {
  let wake = () => {};
  signal.addEventListener("abort", () => wake(), { once: true });
  return (promise) =>
    new Promise((resolve, reject) => {
      wake = () => resolve(undefined);
      if (signal.aborted) wake();
      promise.then(resolve, reject);
    });
}

function cancellation(call: UnaryCall | StreamCall): AbortController {
  const controller = new AbortController();
  if (call.cancelled) controller.abort();
  call.on("cancelled", () => controller.abort());
  return controller;
}

function contextOf(call: UnaryCall | StreamCall, signal: AbortSignal): Context {
  const deadline = call.getDeadline();
  const isLimited = deadline instanceof Date || Number.isFinite(deadline);
  return {
    signal,
    metadata: call.metadata,
    principal: principalOf(call),
    deadline: isLimited ? new Date(deadline) : undefined,
  };
}

function failure(method: DescMethod, error: unknown, signal: AbortSignal): Partial<grpc.StatusObject> {
  // Only what a handler made itself: an error that another server sent is not for this client.
  const own = error instanceof Error && error.name === "ServiceError" ? ServiceError.of(error) : undefined;
  if (own) return statusOf(own);
  if (!(error instanceof Error) && typeof (error as Partial<grpc.StatusObject>)?.code === "number")
    return error as object;
  const name = `${method.parent.typeName}/${method.name}`;
  if (!signal.aborted) console.error(`${name} failed:`, error);
  return status(grpc.status.INTERNAL, "the server failed; its log has the cause");
}

function status(code: grpc.status, details: string): Partial<grpc.StatusObject> {
  return { code, details, metadata: new grpc.Metadata() };
}
