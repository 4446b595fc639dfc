// Messages that the rules accept or refuse: the same verdicts, paths and rule ids as in the other languages.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { createRegistry, fromJson } from "@bufbuild/protobuf";
import { validate } from "@cq/cqc/validate";

const cases = JSON.parse(readFileSync(new URL("testdata/verdicts.json", import.meta.url), "utf8"));
const domains = ["assets", "markets", "venues", "portfolio", "events", "services"];
const modules = await Promise.all(domains.map((domain) => import(`@cq/cqc/${domain}/v1`)));
const schemas = modules.flatMap((module) => Object.values(module).filter((value) => value?.kind === "message"));
const registry = createRegistry(...schemas);
const compare = (one, other) => (one < other ? -1 : Number(one > other));

test("every case has its verdict", () => {
  for (const { case: name, type, message, rules } of cases) {
    const schema = registry.getMessage(type);
    const found = validate(schema, fromJson(schema, message, { registry }));
    assert.deepEqual(
      found.map(({ field, ruleId }) => [field, ruleId]).sort((a, b) => compare(a[0], b[0]) || compare(a[1], b[1])),
      rules,
      name ?? `${type} ${JSON.stringify(message)}`,
    );
  }
});
