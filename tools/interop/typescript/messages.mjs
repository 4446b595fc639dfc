// The messages and enums of the package under test.
import { fromBinary, toBinary } from "@bufbuild/protobuf";

const messages = new Map();
const enums = new Map();

export function register(exported) {
  if (exported?.kind === "message") {
    messages.set(exported.typeName, exported);
    exported.nestedMessages.forEach(register);
  }
  if (exported?.kind === "enum") enums.set(exported.typeName, exported);
}

export function messageOf(type) {
  const schema = messages.get(type);
  if (!schema) throw new Error(`${type} is not exported`);
  return schema;
}

export const enumOf = (type) => enums.get(type);
export const decode = (schema, data) => fromBinary(schema, Buffer.from(data, "base64"));
export const encode = (schema, message) => Buffer.from(toBinary(schema, message)).toString("base64");
