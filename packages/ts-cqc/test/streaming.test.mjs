// All four kinds of RPC through src/definitions.ts. The service is defined here, as the contracts only stream responses.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { create, createFileRegistry } from "@bufbuild/protobuf";
import {
  FieldDescriptorProto_Label,
  FieldDescriptorProto_Type,
  FileDescriptorProtoSchema,
} from "@bufbuild/protobuf/wkt";
import * as grpc from "@grpc/grpc-js";

const runtime = new URL("node_modules/@cq/cqc/dist/esm/definitions.js", import.meta.url);
const { clientConstructor, serviceDefinition } = await import(runtime);

const field = (name, number, type) => ({ name, number, type, label: FieldDescriptorProto_Label.OPTIONAL });
const method = (name, clientStreaming, serverStreaming) => ({
  name,
  clientStreaming,
  serverStreaming,
  inputType: ".kinds.v1.Text",
  outputType: ".kinds.v1.Text",
});
const file = create(FileDescriptorProtoSchema, {
  name: "kinds.proto",
  package: "kinds.v1",
  syntax: "proto3",
  messageType: [
    {
      name: "Text",
      field: [field("text", 1, FieldDescriptorProto_Type.STRING), field("count", 2, FieldDescriptorProto_Type.UINT64)],
    },
  ],
  service: [
    {
      name: "Kinds",
      method: [
        method("One", false, false),
        method("Down", false, true),
        method("Up", true, false),
        method("Both", true, true),
      ],
    },
  ],
});
const Kinds = createFileRegistry(file, () => undefined).getService("kinds.v1.Kinds");

const server = new grpc.Server();
let client;
before(async () => {
  server.addService(serviceDefinition(Kinds), {
    one: (call, callback) => callback(null, { text: call.request.text, count: 18446744073709551615n }),
    down(call) {
      for (const text of call.request.text) call.write({ text });
      call.end();
    },
    up(call, callback) {
      let count = 0n;
      call.on("data", (message) => {
        count += message.count;
      });
      call.on("end", () => callback(null, { count }));
    },
    both(call) {
      call.on("data", (message) => call.write({ text: message.text.toUpperCase() }));
      call.on("end", () => call.end());
    },
  });
  const port = await new Promise((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
  client = new (clientConstructor(Kinds))(`127.0.0.1:${port}`, grpc.credentials.createInsecure());
});
after(() => {
  client.close();
  server.forceShutdown();
});

const unary = (start) =>
  new Promise((resolve, reject) => start((error, response) => (error ? reject(error) : resolve(response))));

test("unary", async () => {
  const response = await unary((callback) => client.one({ text: "a" }, callback));
  assert.deepEqual([response.text, response.count], ["a", 18446744073709551615n]);
});

test("server streaming", async () => {
  const texts = [];
  for await (const message of client.down({ text: "abc" })) texts.push(message.text);
  assert.deepEqual(texts, ["a", "b", "c"]);
});

test("client streaming", async () => {
  const response = await unary((callback) => {
    const stream = client.up(callback);
    stream.write({ count: 1n });
    stream.write({ count: 41n });
    stream.end();
  });
  assert.equal(response.count, 42n);
});

test("bidirectional streaming", async () => {
  const stream = client.both();
  stream.write({ text: "p" });
  stream.write({ text: "q" });
  stream.end();
  const texts = [];
  for await (const message of stream) texts.push(message.text);
  assert.deepEqual(texts, ["P", "Q"]);
});

test("a message that cannot be encoded fails only the call", async () => {
  const failure = await new Promise((resolve) => client.one({ count: -1n }, resolve));
  assert.equal(failure.code, grpc.status.INTERNAL);
});
