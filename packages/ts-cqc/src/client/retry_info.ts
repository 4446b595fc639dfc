import { fromBinary } from "@bufbuild/protobuf";
import { anyIs, durationMs } from "@bufbuild/protobuf/wkt";
import { RetryInfoSchema } from "../gen/google/rpc/error_details_pb.js";
import { StatusSchema } from "../gen/google/rpc/status_pb.js";

/** Returns the delay in milliseconds that an error's RetryInfo states, whoever made the error; undefined without one. */
export function retryDelayOf(error: unknown): number | undefined {
  const packed = received(error) ?? inTrailer(error);
  const delay = packed && fromBinary(RetryInfoSchema, packed).retryDelay;
  return delay && durationMs(delay);
}

/** As Connect reports it. */
function received(error: unknown): Uint8Array | undefined {
  const { details } = error as { details?: unknown };
  if (!Array.isArray(details)) return undefined;
  return details.find(({ type }) => type === RetryInfoSchema.typeName)?.value;
}

/** As @grpc/grpc-js reports it. */
function inTrailer(error: unknown): Uint8Array | undefined {
  const [status] = (error as { metadata?: { get?(key: string): unknown[] | null } }).metadata?.get?.(KEY) ?? [];
  if (!(status instanceof Uint8Array)) return undefined;
  return fromBinary(StatusSchema, status).details.find((detail) => anyIs(detail, RetryInfoSchema))?.value;
}

const KEY = "grpc-status-details-bin";
