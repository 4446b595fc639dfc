import { fromBinary } from "@bufbuild/protobuf";
import { base64Decode } from "@bufbuild/protobuf/wire";
import { type FileDescriptorSet, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { descriptorSetBase64 } from "./gen/descriptor_set.js";

export { BookBuilder, SequenceGapError } from "./books.js";
export { displayName, parseDisplayName } from "./names.js";
export { canTransition } from "./order_status.js";
export { fromUnixNanos, toUnixNanos } from "./timestamps.js";

/**
 * Returns the descriptors of all contracts and of the files they import, with the comments of the sources.
 *
 * The files stand in dependency order. A new message is returned at each call: it may be changed freely. The sources
 * themselves are in the package's folder `proto`.
 */
export function descriptorSet(): FileDescriptorSet {
  return fromBinary(FileDescriptorSetSchema, base64Decode(descriptorSetBase64));
}
