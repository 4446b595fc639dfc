import { fromBinary } from "@bufbuild/protobuf";
import { type FileDescriptorSet, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { descriptorSetText } from "./gen/descriptor_set.js";

/**
 * Returns the descriptors of all contracts and their imports, without comments.
 *
 * Files are in dependency order. Each call returns a new message, which the caller may modify. The comments are in the
 * `.proto` files of the package's `proto` folder.
 */
export function descriptorSet(): FileDescriptorSet {
  const text = descriptorSetText();
  const bytes = new Uint8Array(text.length);
  for (let index = 0; index < text.length; index++) bytes[index] = text.charCodeAt(index);
  return fromBinary(FileDescriptorSetSchema, bytes);
}
