// What editors show when a user points at a message, asked of TypeScript's language service.
import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import ts from "typescript-5.9";
import { documentationAt, languageService } from "./language_service.mjs";

const domains = ["assets", "events", "markets", "options", "portfolio", "services", "venues"];
const modules = await Promise.all(domains.map((domain) => import(`@cq/cqc/${domain}/v1`)));
const lines = modules.map((module, number) => {
  const names = Object.keys(module).filter((name) => module[name]?.kind === "message" && !name.endsWith("Schema"));
  return `import { ${names.map((name) => `${name} as ${name}${number}`).join(", ")} } from "@cq/cqc/${domains[number]}/v1";`;
});
const file = fileURLToPath(new URL("hovered.ts", import.meta.url));
const text = `${lines.join("\n")}\nimport { create } from "@bufbuild/protobuf";
const price: Price2 = create(Price2, { assetId: "BTC" });\nconsole.log(price.assetId);\n`;
const options = { module: ts.ModuleKind.NodeNext, target: ts.ScriptTarget.ES2022, strict: true, skipLibCheck: true };
const service = languageService(file, text, options);

const shown = (position) => documentationAt(service, file, position);

test("every message shows its comment", () => {
  assert.deepEqual(service.getSemanticDiagnostics(file), []);
  const names = [...text.matchAll(/\w+(?= as )/g)];
  assert.ok(names.length > 300, `${names.length} messages`);
  const silent = names.filter((found) => !shown(found.index));
  assert.deepEqual(silent.map(String), []);
});

test("type, schema and field show the comments of the contract", () => {
  for (const found of text.matchAll(/Price2(?=,| =)/g)) assert.match(shown(found.index), /^What an asset is worth/);
  assert.match(shown(text.lastIndexOf("assetId")), /^Asset being valued/);
});
