// Validation against the contracts' rules. Requires the optional peer dependency @bufbuild/protovalidate.
import { createRegistry, type DescMessage, type MessageShape } from "@bufbuild/protobuf";
import { pathToString } from "@bufbuild/protobuf/reflect";
import { createValidator, type Validator } from "@bufbuild/protovalidate";
import { file_cqc_rules_v1_rules } from "./gen/cqc/rules/v1/rules_pb.js";

/** A rule that a message violates. */
export interface Violation {
  /** Path to the offending field, such as `legs[0].ratio`; empty for a rule about several fields. */
  readonly field: string;
  /** Identifies the rule, such as `string.decimal` or `new_order.limit_price`. */
  readonly ruleId: string;
  /** Description of the problem. */
  readonly message: string;
}

let validator: Validator | undefined;

/**
 * Returns every violation of the rules in a message's contract; the array is empty if the message is valid.
 *
 * Works for any message with buf.validate rules, except predefined rules other than CQC's. Throws protovalidate's
 * CompilationError or RuntimeError if a rule cannot be evaluated, which does not happen for CQC's own rules.
 */
export function validate<D extends DescMessage>(schema: D, message: MessageShape<D>): Violation[] {
  validator ??= createValidator({ registry: createRegistry(file_cqc_rules_v1_rules) });
  const result = validator.validate(schema, message);
  if (result.kind === "error") throw result.error;
  if (result.kind === "valid") return [];
  return result.violations.map((violation) => ({
    field: pathToString(violation.field),
    ruleId: violation.ruleId,
    message: violation.message,
  }));
}
