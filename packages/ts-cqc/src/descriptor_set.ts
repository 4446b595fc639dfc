import { fromBinary } from "@bufbuild/protobuf";
import { base64Decode } from "@bufbuild/protobuf/wire";
import { type FileDescriptorSet, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { descriptorSetBase64 } from "./gen/descriptor_set.js";

/**
 * Returns the descriptors of all contracts and their imports, including source comments.
 *
 * Files are in dependency order. Each call returns a new message, which the caller may modify. The `.proto` files are
 * in the package's `proto` folder.
 */
export function descriptorSet(): FileDescriptorSet {
  return fromBinary(FileDescriptorSetSchema, base64Decode(descriptorSetBase64));
}
