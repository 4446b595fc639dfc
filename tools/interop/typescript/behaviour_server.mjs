// The scripted server of the behaviour tests in TypeScript: `node behaviour_server.mjs [<port>]`.
// python/behaviour_server.py documents the scripts and the log. It runs in a folder where the built package is installed.
import { create, createFileRegistry, fromBinary, fromJson, toBinary } from "@bufbuild/protobuf";
import { anyPack, durationFromMs, StringValueSchema } from "@bufbuild/protobuf/wkt";
import { descriptorSet } from "@cq/cqc";
import * as grpc from "@grpc/grpc-js";

// The package keeps google.rpc to itself.
const rpc = new URL("node_modules/@cq/cqc/dist/esm/gen/google/rpc/", import.meta.url);
const details = await import(new URL("error_details_pb.js", rpc));
const { StatusSchema } = await import(new URL("status_pb.js", rpc));

const contracts = createFileRegistry(descriptorSet());
const [port = "0"] = process.argv.slice(2);
let attempts = [];
let log = [];

/** Does to a call what the script states for the next one. */
function play(method, call, { send, end, fail }) {
  const events = attempts[log.length] ?? [
    { at: 0, status: { code: "UNAVAILABLE", message: "the script has no more calls" } },
  ];
  const [previous = "0"] = call.metadata.get("grpc-previous-rpc-attempts");
  log.push({
    method: `${method.parent.typeName}/${method.name}`,
    request: call.request.toString("base64"),
    previous_attempts: Number(previous),
    deadline: Number.isFinite(Number(call.getDeadline())),
  });
  // One timer after the other: timers that are due in the same turn may fire in another order than their times.
  const started = performance.now();
  let timer;
  const step = ([event, ...later]) => {
    if (!event) return;
    const wait = Math.max(0, started + event.at - performance.now());
    timer = setTimeout(() => {
      if (event.status) fail(statusOf(event.status));
      else if (!event.send) end();
      else {
        send(Buffer.from(toBinary(method.output, fromJson(method.output, event.send))));
        step(later);
      }
    }, wait);
  };
  call.on("cancelled", () => clearTimeout(timer));
  step(events);
}

function statusOf({ code, message = "", pushback_ms: pushback, ...facts }) {
  const status = { code: grpc.status[code], details: message, metadata: new grpc.Metadata() };
  const packed = [...detailsOf(facts)];
  if (packed.length > 0) {
    const bytes = toBinary(StatusSchema, create(StatusSchema, { code: status.code, message, details: packed }));
    status.metadata.set("grpc-status-details-bin", Buffer.from(bytes));
  }
  if (pushback !== undefined) status.metadata.set("grpc-retry-pushback-ms", `${pushback}`);
  return status;
}

function* detailsOf({ reason, domain = "cqc", metadata = {}, violations, retry_delay_ms: delay }) {
  const any = (schema, value) => anyPack(schema, create(schema, value));
  if (reason) yield any(details.ErrorInfoSchema, { domain, reason, metadata });
  if (violations) {
    const fieldViolations = violations.map(({ field, rule_id, message }) => ({
      field,
      reason: rule_id,
      description: message,
    }));
    yield any(details.BadRequestSchema, { fieldViolations });
  }
  if (delay !== undefined) yield any(details.RetryInfoSchema, { retryDelay: durationFromMs(delay) });
}

const raw = (bytes) => bytes;
const server = new grpc.Server();
const add = (path, responseStream, handle) => {
  const definition = { path, requestStream: false, responseStream };
  const serializers = {
    requestSerialize: raw,
    requestDeserialize: raw,
    responseSerialize: raw,
    responseDeserialize: raw,
  };
  server.addService({ [path]: { ...definition, ...serializers } }, { [path]: handle });
};
for (const service of contracts) {
  if (service.kind !== "service") continue;
  for (const method of service.methods) {
    const isStream = method.methodKind === "server_streaming";
    add(`/${service.typeName}/${method.name}`, isStream, (call, answer) => {
      if (!isStream) return play(method, call, { send: (bytes) => answer(null, bytes), fail: answer });
      play(method, call, {
        send: (bytes) => call.write(bytes),
        end: () => call.end(),
        fail: (status) => call.emit("error", status),
      });
    });
  }
}
const text = (value) => Buffer.from(toBinary(StringValueSchema, create(StringValueSchema, { value })));
add("/cqc.testing.Script/Load", false, (call, answer) => {
  attempts = JSON.parse(fromBinary(StringValueSchema, call.request).value);
  log = [];
  answer(null, text(""));
});
add("/cqc.testing.Script/Log", false, (_, answer) => answer(null, text(JSON.stringify(log))));

server.bindAsync(`127.0.0.1:${port}`, grpc.ServerCredentials.createInsecure(), (error, bound) => {
  if (error) throw error;
  console.log(JSON.stringify({ port: bound }));
});
process.stdin.resume().on("end", () => {
  server.forceShutdown();
  process.exit();
});
