// gRPC interceptors that reject invalid requests, for servers and clients of @grpc/grpc-js.
//
//   new Server({ interceptors: [validationServerInterceptor] })
//   new MarketDataClient(address, credentials, { interceptors: [validationClientInterceptor] })
//
// Requests are validated. Responses are not, because a client must accept what a venue reported. A server rejects an
// invalid request with the reason INVALID_FIELD and one violation per violated rule (see errors.ts). A client reports
// the same error without sending anything. Requires the optional peer dependencies @grpc/grpc-js and
// @bufbuild/protovalidate.
import { create, type DescMessage, type DescMethod, type MessageInitShape } from "@bufbuild/protobuf";
import * as grpc from "@grpc/grpc-js";
import { contractOf, internal, refuse } from "./contract.js";
import { ServiceError } from "./errors.js";
import { statusOf } from "./grpc.js";
import { validate } from "./validate.js";

/** Rejects invalid requests to services of this package. */
export const validationServerInterceptor: grpc.ServerInterceptor = (method, call) => {
  const contract = contractOf(method.path, method.requestDeserialize);
  if (!contract) return new grpc.ServerInterceptingCall(call);
  if ("details" in contract) return refuse(call, contract);
  let rejected = false;
  return new grpc.ServerInterceptingCall(call, {
    start: (next) => {
      next({
        onReceiveMessage: (message: unknown, forward) => {
          if (rejected) return;
          const rejection = reject(contract, message);
          if (!rejection) return forward(message);
          rejected = true;
          call.sendStatus(rejection);
        },
        onReceiveHalfClose: (forward) => {
          if (!rejected) forward();
        },
      });
    },
  });
};

/** Ends a call with the same error instead of sending an invalid request. */
export const validationClientInterceptor: grpc.Interceptor = (options, nextCall) => {
  const { path, requestSerialize, requestStream } = options.method_definition;
  const contract = contractOf(path, requestSerialize);
  if (!contract) return new grpc.InterceptingCall(nextCall(options));
  let rejected = false;
  let listener: grpc.Listener & { onReceiveStatus(status: grpc.StatusObject): void };
  let begin: (() => void) | undefined;
  const call = new grpc.InterceptingCall(nextCall(options), {
    start: (metadata, receiver, next) => {
      listener = receiver as typeof listener;
      begin = () => {
        begin = undefined;
        next(metadata, { onReceiveStatus: (status, forward) => (rejected ? undefined : forward(status)) });
      };
      // A call with a single request starts only once the request is valid. A client stream starts immediately, because
      // its requests may depend on responses.
      if (requestStream) begin();
    },
    sendMessage: (message: unknown, next) => {
      if (rejected) return;
      const rejection = "details" in contract ? contract : reject(contract, message);
      if (!rejection) {
        begin?.();
        return next(message);
      }
      rejected = true;
      if (!begin) call.cancelWithStatus(rejection.code, rejection.details);
      // Later, as over a network: the caller has no stream yet to attach an error handler to.
      setImmediate(() => listener.onReceiveStatus(rejection));
    },
    halfClose: (next) => {
      if (!rejected) next();
    },
  });
  return call;
};

function reject({ input }: DescMethod, message: unknown): grpc.StatusObject | undefined {
  try {
    // A client may pass a plain object with some of the fields.
    const violations = validate(input, create(input, message as MessageInitShape<DescMessage>));
    return violations.length === 0 ? undefined : statusOf(ServiceError.invalidRequest(input, violations));
  } catch (error) {
    // A value of the wrong type, such as a number for a string: rules fail to run.
    return internal(`${input.typeName} cannot be validated: ${error}`);
  }
}
