// Installs a tarball in a temporary project, with the dependencies locked by this package, and runs the tests there:
// `node test/run.mjs <tarball>`. Also runs publint and are-the-types-wrong on the tarball.
import { execFileSync, spawnSync } from "node:child_process";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const here = fileURLToPath(new URL(".", import.meta.url));
const packageFolder = join(here, "..");
const modules = join(packageFolder, "node_modules");
const [tarball] = process.argv.slice(2).map((path) => resolve(path));
if (!tarball) {
  console.error("usage: node test/run.mjs <tarball>; `make test-typescript` builds the tarball and runs this");
  process.exit(2);
}

const project = mkdtempSync(join(tmpdir(), "cqc-typescript-"));
let failed = false;
function run(command, ...args) {
  const { status } = spawnSync(command, args, { cwd: project, stdio: "inherit" });
  if (status !== 0) {
    failed = true;
    console.error(`FAILED: ${command} ${args.join(" ")}`);
  }
}

try {
  mkdirSync(join(project, "node_modules", "@cq"), { recursive: true });
  execFileSync("tar", ["-xzf", tarball, "-C", join(project, "node_modules", "@cq")]);
  renameSync(join(project, "node_modules", "@cq", "package"), join(project, "node_modules", "@cq", "cqc"));
  for (const name of ["@bufbuild", "@grpc", "@noble", "@types", "bignumber.js", "fast-check"]) {
    symlinkSync(join(modules, name), join(project, "node_modules", name));
  }
  const tests = readdirSync(here).filter((name) => /\.test\.[cm]js$/.test(name));
  // The key is for these tests alone.
  for (const name of [...tests, "forms.ts", "forms.cts", "localhost.crt", "localhost.key"]) {
    cpSync(join(here, name), join(project, name));
  }
  // Examples that the tests of all three languages share.
  cpSync(join(packageFolder, "..", "go-cqc", "testdata"), join(project, "testdata"), { recursive: true });
  writeFileSync(join(project, "package.json"), '{"type":"module","private":true}');
  const readme = readFileSync(join(packageFolder, "README.md"), "utf8");
  for (const [number, [, code]] of [...readme.matchAll(/^```ts\n(.*?)^```$/gms)].entries()) {
    writeFileSync(join(project, `readme_${["client", "server"][number]}.ts`), code);
  }

  const tsc = join(modules, ".bin", "tsc");
  const options = ["--strict", "--target", "es2022", "--types", "node"];
  const node16 = [...options, "--module", "node16", "--verbatimModuleSyntax"];
  run(tsc, ...node16, "readme_client.ts", "readme_server.ts");
  run(process.execPath, "--test", ...tests);
  run(tsc, "--noEmit", ...node16, "forms.ts", "forms.cts");
  const bundler = [...options, "--module", "esnext", "--moduleResolution", "bundler", "--verbatimModuleSyntax"];
  run(tsc, "--noEmit", ...bundler, "forms.ts");
  run(join(modules, ".bin", "publint"), "run", tarball, "--strict");
  run(join(modules, ".bin", "attw"), tarball, "--profile", "node16", "--format", "ascii");
} finally {
  rmSync(project, { recursive: true, force: true });
}
process.exit(failed ? 1 : 0);
