// An interceptor for Connect that rejects invalid requests. Requires the optional peer dependencies @connectrpc/connect
// and @bufbuild/protovalidate.
//
//   createConnectTransport({ baseUrl, interceptors: [validationInterceptor] })
//   connectNodeAdapter({ routes, interceptors: [validationInterceptor] })
//
// The interceptor of @connectrpc/validate cannot do this: it needs schemas that carry rules, see validate.ts.
import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import type { Interceptor } from "@connectrpc/connect";
import { ServiceError } from "../errors.js";
import { validate } from "../validate.js";
import { connectErrorOf } from "./error.js";

/**
 * Ends a call to a service of this package with INVALID_ARGUMENT if a request breaks its rules: on a client before
 * anything is sent, on a server before the handler runs. `ServiceError.of` reads the violations.
 */
export const validationInterceptor: Interceptor = (next) => async (request) => {
  if (!request.service.typeName.startsWith("cqc.")) return next(request);
  if (!request.stream) {
    check(request.method.input, request.message);
    return next(request);
  }
  const messages = checked(request.method.input, request.message);
  if (request.method.methodKind !== "server_streaming") return next({ ...request, message: messages });
  // The only request is checked before the call starts, so that an invalid one is not sent.
  const first = await messages.next();
  return next({ ...request, message: resumed(first, messages) });
};

async function* checked<D extends DescMessage>(schema: D, messages: AsyncIterable<MessageShape<D>>) {
  for await (const message of messages) {
    check(schema, message);
    yield message;
  }
}

async function* resumed<T>(first: IteratorResult<T>, rest: AsyncIterable<T>) {
  if (!first.done) yield first.value;
  yield* rest;
}

function check<D extends DescMessage>(schema: D, message: MessageShape<D>): void {
  const violations = validate(schema, message);
  if (violations.length > 0) throw connectErrorOf(ServiceError.invalidRequest(schema, violations));
}
