// The code of the README. test/run.mjs compiles it to readme_client.js and readme_server.js beside this file.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

test("the code of the README: a server and a client over TLS", async (context) => {
  // Modules find the package only below this folder.
  const folder = mkdtempSync(fileURLToPath(new URL("readme-", import.meta.url)));
  const children = [];
  context.after(() => {
    for (const child of children) child.kill();
    rmSync(folder, { recursive: true });
  });
  for (const [given, used] of Object.entries({ "localhost.crt": "tls.crt", "localhost.key": "tls.key" })) {
    copyFileSync(new URL(given, import.meta.url), join(folder, used));
  }
  const port = await new Promise((resolve) => {
    const free = createServer().listen(0, "localhost", () => {
      const bound = free.address().port;
      free.close(() => resolve(bound));
    });
  });
  for (const name of ["client", "server"]) {
    const code = readFileSync(new URL(`readme_${name}.js`, import.meta.url), "utf8");
    writeFileSync(join(folder, `${name}.mjs`), code.replace(":50051", `:${port}`));
  }
  const start = (code) => {
    const env = { ...process.env, GRPC_DEFAULT_SSL_ROOTS_FILE_PATH: join(folder, "tls.crt"), CQC_TOKEN: "secret" };
    const child = spawn(process.execPath, ["--input-type=module", "-e", code], { cwd: folder, env });
    children.push(child);
    child.stderr.pipe(process.stderr);
    return new Promise((resolve) => child.stdout.once("data", (data) => resolve(String(data).trim())));
  };
  const ready = `const { connect } = await import("node:net");
    const probe = () => connect(${port}, "localhost", () => console.log("ready")).on("error", () => setTimeout(probe, 50));
    await import("./server.mjs"); probe();`;
  assert.equal(await start(ready), "ready");
  assert.equal(await start(`await import("./client.mjs");`), "no price yet");
});
