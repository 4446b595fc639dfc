// How interceptors find the contract of the call that they handle.
import type { DescMethod } from "@bufbuild/protobuf";
import * as grpc from "@grpc/grpc-js";
import { methodOf } from "./definitions.js";

/**
 * Returns the method of a call to a service of CQC, undefined for the services of others, or the status with which a
 * call fails whose contract is not known: an interceptor that lets it pass would check nothing.
 *
 * `serializer` is `requestDeserialize` on a server and `requestSerialize` on a client.
 */
export function contractOf(path: string, serializer: unknown): DescMethod | grpc.StatusObject | undefined {
  if (!path.startsWith("/cqc.")) return undefined;
  return (
    methodOf(serializer) ??
    internal(
      `the contract of ${path} is not known, so it cannot be checked: take the client or the service definition from ` +
        "@cq/cqc, such as its entry services/v1/grpc, and not from an older version or another code generator",
    )
  );
}

/** Returns the status INTERNAL. */
export function internal(details: string): grpc.StatusObject {
  return { code: grpc.status.INTERNAL, details, metadata: new grpc.Metadata() };
}

/** Ends a call before its handler sees it. */
export function refuse(call: grpc.ServerInterceptingCallInterface, status: grpc.StatusObject) {
  return new grpc.ServerInterceptingCall(call, {
    start: (next) =>
      next({
        onReceiveMetadata: () => call.sendStatus(status),
        onReceiveMessage: () => {},
        onReceiveHalfClose: () => {},
      }),
  });
}
