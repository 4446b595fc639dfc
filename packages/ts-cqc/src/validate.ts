// Validation against the contracts' rules. Requires the optional peer dependency @bufbuild/protovalidate.
//
// The schemas of the other entries carry no rules, so that programs that do not validate do not load them. A validator
// other than the one of this module therefore needs `withRules`: without it, protovalidate finds every message valid.
//
//   validate(OrderSchema, order)
//   createValidator({ registry: rulesRegistry() }).validate(withRules(OrderSchema), order)
import { createFileRegistry, type DescMessage, type FileRegistry, type MessageShape } from "@bufbuild/protobuf";
import { pathToString } from "@bufbuild/protobuf/reflect";
import { createValidator, type Validator } from "@bufbuild/protovalidate";
import { descriptorSet } from "./descriptor_set.js";

/** A rule that a message violates. */
export interface Violation {
  /** Path to the offending field, such as `legs[0].ratio`; empty for a rule about several fields. */
  readonly field: string;
  /** Identifies the rule, such as `string.decimal` or `new_order.limit_price`. */
  readonly ruleId: string;
  /** Description of the problem. */
  readonly message: string;
}

let registry: FileRegistry | undefined;
let validator: Validator | undefined;

/**
 * Returns all messages of the contracts with their rules, and the rules that CQC defines: the registry that a validator
 * other than `validate` needs.
 */
export function rulesRegistry(): FileRegistry {
  // Made by the first call, which takes some 50 ms. Importing the module must not.
  registry ??= createFileRegistry(descriptorSet());
  return registry;
}

/**
 * Returns the schema of the same message with its buf.validate rules, for validators other than `validate`.
 *
 * Both schemas have the same messages. A schema of another package is returned as it is.
 */
export function withRules<D extends DescMessage>(schema: D): D {
  const found: DescMessage = rulesRegistry().getMessage(schema.typeName) ?? schema;
  return found as D;
}

/**
 * Returns every violation of the rules in a message's contract; the array is empty if the message is valid.
 *
 * Works for any message with buf.validate rules, except predefined rules other than CQC's. Throws protovalidate's
 * CompilationError or RuntimeError if a rule cannot be evaluated, which does not happen for CQC's own rules.
 */
export function validate<D extends DescMessage>(schema: D, message: MessageShape<D>): Violation[] {
  validator ??= createValidator({ registry: rulesRegistry() });
  const result = validator.validate(withRules(schema), message);
  if (result.kind === "error") throw result.error;
  if (result.kind === "valid") return [];
  return result.violations.map((violation) => ({
    field: pathToString(violation.field),
    ruleId: violation.ruleId,
    message: violation.message,
  }));
}
