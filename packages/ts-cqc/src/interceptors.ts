// Keep messages that break the contracts' rules off the wire: one line each for a server and a client of @grpc/grpc-js.
//
//   new Server({ interceptors: [validationServerInterceptor] })
//   new MarketDataClient(address, credentials, { interceptors: [validationClientInterceptor] })
//
// Requests are checked, answers are not: they are facts, which the receiver takes as they are. A request that breaks a
// rule is answered with INVALID_ARGUMENT and a google.rpc.BadRequest that has one field violation per broken rule; the
// client's interceptor does so without sending anything. Needs the optional peers @grpc/grpc-js and
// @bufbuild/protovalidate.
import { create, type DescMessage, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { anyPack } from "@bufbuild/protobuf/wkt";
import * as grpc from "@grpc/grpc-js";
import { BadRequestSchema } from "./gen/google/rpc/error_details_pb.js";
import { StatusSchema } from "./gen/google/rpc/status_pb.js";
import { methodAt } from "./grpc.js";
import { validate } from "./validate.js";

interface Refusal {
  code: grpc.status;
  details: string;
  metadata: grpc.Metadata;
}

/** Refuses requests that break the rules, for the services of this package. */
export const validationServerInterceptor: grpc.ServerInterceptor = (method, call) => {
  let refused = false;
  return new grpc.ServerInterceptingCall(call, {
    start: (next) => {
      next({
        onReceiveMessage: (message: unknown, forward) => {
          if (refused) return;
          const answer = refusal(method.path, message);
          if (!answer) return forward(message);
          refused = true;
          call.sendStatus(answer);
        },
        onReceiveHalfClose: (forward) => {
          if (!refused) forward();
        },
      });
    },
  });
};

/** Ends a call with the same error, without sending anything, when a request breaks the rules. */
export const validationClientInterceptor: grpc.Interceptor = (options, nextCall) => {
  const { path, requestStream } = options.method_definition;
  let refused = false;
  let listener: grpc.Listener & { onReceiveStatus(status: grpc.StatusObject): void };
  let begin: (() => void) | undefined;
  const call = new grpc.InterceptingCall(nextCall(options), {
    start: (metadata, receiver, next) => {
      listener = receiver as typeof listener;
      begin = () => {
        begin = undefined;
        next(metadata, { onReceiveStatus: (status, forward) => (refused ? undefined : forward(status)) });
      };
      // A single request is looked at before the call is opened; a stream of requests may come after the answers.
      if (requestStream) begin();
    },
    sendMessage: (message: unknown, next) => {
      if (refused) return;
      const answer = refusal(path, message);
      if (!answer) {
        begin?.();
        return next(message);
      }
      refused = true;
      if (!begin) call.cancelWithStatus(answer.code, answer.details);
      listener.onReceiveStatus(answer);
    },
    halfClose: (next) => {
      if (!refused) next();
    },
  });
  return call;
};

function refusal(path: string, message: unknown): Refusal | undefined {
  const schema: DescMessage | undefined = methodAt(path)?.input;
  if (!schema) return undefined;
  // A client may give a plain object with some of the fields.
  const violations = validate(schema, create(schema, message as MessageInitShape<DescMessage>));
  if (violations.length === 0) return undefined;
  const lines = violations.map(({ field, message }) => (field ? `${field}: ${message}` : message));
  const details = `${schema.typeName} breaks its contract: ${lines.join("; ")}`;
  const badRequest = create(BadRequestSchema, {
    fieldViolations: violations.map(({ field, rule, message }) => ({ field, reason: rule, description: message })),
  });
  const status = create(StatusSchema, {
    code: grpc.status.INVALID_ARGUMENT,
    message: details,
    details: [anyPack(BadRequestSchema, badRequest)],
  });
  const metadata = new grpc.Metadata();
  metadata.set("grpc-status-details-bin", Buffer.from(toBinary(StatusSchema, status)));
  return { code: grpc.status.INVALID_ARGUMENT, details, metadata };
}
