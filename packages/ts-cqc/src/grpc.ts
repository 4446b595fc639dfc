// Errors as @grpc/grpc-js reports them. Requires this optional peer dependency.
import { toBinary } from "@bufbuild/protobuf";
import * as grpc from "@grpc/grpc-js";
import { type ServiceError, STATUS_DETAILS_KEY } from "./errors.js";
import { StatusSchema } from "./gen/google/rpc/status_pb.js";

/** Returns what a handler passes to its callback, and an interceptor to `sendStatus`. */
export function statusOf(error: ServiceError): grpc.StatusObject {
  const metadata = new grpc.Metadata();
  metadata.set(STATUS_DETAILS_KEY, Buffer.from(toBinary(StatusSchema, error.status())));
  return { code: error.code, details: error.message, metadata };
}
