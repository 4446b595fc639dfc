// The code of the README. test/run.mjs compiles its TypeScript to readme_node.js and readme_browser.js beside this file, and
// checks the types of its JavaScript, which runs in every rehearsed release.
import assert from "node:assert/strict";
import { copyFileSync } from "node:fs";
import { test } from "node:test";

test("the server and the client of the README talk over TLS", async (context) => {
  // The program reads the files from the current folder, which is that of the test.
  copyFileSync("localhost.crt", "tls.crt");
  copyFileSync("localhost.key", "tls.key");
  const printed = context.mock.method(console, "log", () => {});
  await import("./readme_node.js");
  assert.deepEqual(
    printed.mock.calls.map((call) => call.arguments),
    [[true]],
  );
});

test("the code of the README for browsers sends nothing before its first call", async () => {
  const { tradesOf } = await import("./readme_browser.js");
  assert.equal(typeof tradesOf, "function");
});
