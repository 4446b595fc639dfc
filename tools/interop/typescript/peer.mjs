// The TypeScript peer of the interoperability test: reads requests from standard input, one JSON object a line, and
// answers each with a line, as peer.py describes. Runs in a folder where the built package is installed.
import { createInterface } from "node:readline";
import { fromBinary, fromJsonString, toBinary, toJsonString } from "@bufbuild/protobuf";
import * as assets from "@cq/cqc/assets/v1";
import * as events from "@cq/cqc/events/v1";
import * as markets from "@cq/cqc/markets/v1";
import * as portfolio from "@cq/cqc/portfolio/v1";
import * as services from "@cq/cqc/services/v1";
import * as venues from "@cq/cqc/venues/v1";

const schemas = new Map();
function register(descriptor) {
  schemas.set(descriptor.typeName, descriptor);
  descriptor.nestedMessages.forEach(register);
}
for (const domain of [assets, events, markets, portfolio, services, venues]) {
  Object.values(domain)
    .filter((value) => value?.kind === "message")
    .forEach(register);
}

function convert({ type, from, to, data }) {
  const schema = schemas.get(type);
  if (!schema) throw new Error(`${type} is not exported`);
  const message = from === "binary" ? fromBinary(schema, Buffer.from(data, "base64")) : fromJsonString(schema, data);
  return to === "binary" ? Buffer.from(toBinary(schema, message)).toString("base64") : toJsonString(schema, message);
}

for await (const line of createInterface({ input: process.stdin })) {
  let answer;
  try {
    answer = { data: convert(JSON.parse(line)) };
  } catch (error) {
    answer = { error: String(error) };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
