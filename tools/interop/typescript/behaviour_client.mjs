// The scripted client of the behaviour tests in TypeScript: `node behaviour_client.mjs <host:port> <file of cases>`.
// For each case it loads the script into the scripted server, makes the case's call, and prints one JSON line with the
// case's `name`, the `lines` that tell what came of the call, and the server's `log`. A case with `load` false is left to
// whoever runs the server. It runs in a folder where the built package is installed.
import { readFileSync } from "node:fs";
import { create, fromBinary, fromJson, toBinary, toJson } from "@bufbuild/protobuf";
import { StringValueSchema } from "@bufbuild/protobuf/wkt";
import { connect, follow, followBook, pages, placeOrder } from "@cq/cqc/client";
import { ServiceError } from "@cq/cqc/errors";
import * as services from "@cq/cqc/services/v1";
import * as grpc from "@grpc/grpc-js";

const [target, file] = process.argv.slice(2);
const script = new grpc.Client(target, grpc.credentials.createInsecure());

/** Calls the script of the server. */
function steer(name, value = "") {
  const write = (text) => Buffer.from(toBinary(StringValueSchema, create(StringValueSchema, { value: text })));
  const read = (bytes) => fromBinary(StringValueSchema, bytes).value;
  return new Promise((resolve, reject) => {
    const options = { deadline: Date.now() + 20_000 };
    script.makeUnaryRequest(`/cqc.testing.Script/${name}`, write, read, value, options, (error, answer) =>
      error ? reject(error) : resolve(answer),
    );
  });
}

const at = (message, path) => path.split(".").reduce((value, name) => value?.[name], message) ?? "-";
const lower = (name) => name.replace(/_(.)/g, (_, letter) => letter.toUpperCase());
const level = ([best]) => (best ? `${best.price}@${best.quantity}` : "-");
const codeOf = ({ code }) => Object.keys(grpc.status).find((name) => grpc.status[name] === code);

async function perform(row, connection, log) {
  const [typeName, name] = row.method.split("/");
  const service = Object.values(services).find((item) => item.typeName === typeName && item.kind === "service");
  const method = service.methods.find((item) => item.name === name);
  const client = connection.client(service);
  const call = client[method.localName];
  const request = fromJson(method.input, row.request);
  const options = row.timeout_ms === undefined ? {} : { timeoutMs: row.timeout_ms };
  const onLost = ({ cause }) => log(`lost ${cause}`);
  if (row.call === "unary") {
    const answer = toJson(method.output, await call(request, options), { useProtoFieldName: true });
    return log(`result ${at(answer, row.show)}`);
  }
  if (row.call === "place_order")
    return log(`result ${at(await placeOrder(client, request, options), lower(row.show))}`);
  const [items, show] = {
    pages: () => [pages(call, request, lower(row.items), options), (item) => `item ${at(item, lower(row.show))}`],
    follow: () => [
      follow(call, request, { ...options, onLost }),
      ({ event }) => `item ${method.output.oneofs[0].fields.find(({ localName }) => localName === event.case).name}`,
    ],
    follow_book: () => [
      followBook(call, request, { ...options, onLost }),
      ({ book, state, reason }) =>
        `book ${state} ${reason || "-"} ${book ? `${level(book.bids())} ${level(book.asks())}` : "absent"}`,
    ],
  }[row.call]();
  let count = 0;
  for await (const item of items) {
    log(show(item));
    if (++count === row.take) break;
  }
  log("done");
}

function describe(error) {
  if (error.name === "OutcomeUnknownError") return `error ${error.name} ${codeOf(error.cause)}`;
  if (["CertificateError", "ProtocolError"].includes(error.name)) return `error ${error.name}`;
  const known = ServiceError.of(error);
  const words = ["error", codeOf(error) ?? error, known ? services.ErrorReason[known.reason] : "-"];
  if (known?.retryDelay !== undefined) words.push(`retry=${known.retryDelay}`);
  const facts = Object.entries(known?.metadata ?? {}).sort(([one], [other]) => (one < other ? -1 : 1));
  words.push(...facts.map(([key, value]) => `${key}=${value}`));
  words.push(...(known?.violations ?? []).map(({ field, ruleId }) => `violation=${field}:${ruleId}`));
  return words.join(" ");
}

for (const row of JSON.parse(readFileSync(file, "utf8"))) {
  const lines = [];
  if (row.load !== false) await steer("Load", JSON.stringify(row.attempts));
  const connection = connect({ target, plaintext: true, token: "" });
  try {
    await perform(row, connection, (line) => lines.push(line));
  } catch (error) {
    lines.push(describe(error));
  }
  const log = row.load === false ? [] : JSON.parse(await steer("Log"));
  console.log(JSON.stringify({ name: row.name, lines, log }));
  connection.close();
}
script.close();
