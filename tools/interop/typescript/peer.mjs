// The TypeScript peer of the interoperability tests: `node peer.mjs <package> [<module of more operations>]`.
// It reads one JSON request per line from standard input and writes one response per line, as documented in
// python/peer.py. It runs in a folder where the built package is installed.
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { fromJsonString, toJsonString } from "@bufbuild/protobuf";
import { decode, encode, messageOf, register } from "./messages.mjs";

const [name, ...modules] = process.argv.slice(2);
const manifest = JSON.parse(readFileSync(fileURLToPath(import.meta.resolve(`${name}/package.json`)), "utf8"));
for (const path of Object.keys(manifest.exports).filter((path) => /\/v\d+[a-z0-9]*$/.test(path))) {
  Object.values(await import(`${name}${path.slice(1)}`)).forEach(register);
}

const operations = {
  convert({ type, from, to, data }) {
    const schema = messageOf(type);
    const message = from === "binary" ? decode(schema, data) : fromJsonString(schema, data);
    return to === "binary" ? encode(schema, message) : toJsonString(schema, message);
  },
};
for (const path of modules) Object.assign(operations, (await import(path)).operations);

for await (const line of createInterface({ input: process.stdin })) {
  let response;
  try {
    const request = JSON.parse(line);
    response = { data: operations[request.op](request) };
  } catch (error) {
    response = { error: String(error) };
  }
  process.stdout.write(`${JSON.stringify(response)}\n`);
}
