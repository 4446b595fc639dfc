// The rules of the contracts, checked. Needs the optional peer @bufbuild/protovalidate.
import { createRegistry, type DescMessage, type MessageShape } from "@bufbuild/protobuf";
import { pathToString } from "@bufbuild/protobuf/reflect";
import { createValidator, type Validator } from "@bufbuild/protovalidate";
import { file_cqc_rules_v1_rules } from "./gen/cqc/rules/v1/rules_pb.js";

/** One rule of the contracts that a message breaks. */
export interface Violation {
  /** Path from the message to what breaks the rule, such as `legs[0].ratio`; empty for a rule about several fields. */
  readonly field: string;
  /** Id of the rule, such as `string.decimal` or `new_order.limit_price`. */
  readonly rule: string;
  /** What was expected, for people. */
  readonly message: string;
}

let validator: Validator | undefined;

/**
 * Returns everything in which a message breaks the rules that its contract states; empty when it keeps to all.
 *
 * It works for any message with buf.validate rules, of other contracts too, as long as they use no predefined rules of
 * their own. Throws protovalidate's CompilationError or RuntimeError for rules that cannot be evaluated, which none of
 * CQC's own are.
 */
export function validate<D extends DescMessage>(schema: D, message: MessageShape<D>): Violation[] {
  validator ??= createValidator({ registry: createRegistry(file_cqc_rules_v1_rules) });
  const result = validator.validate(schema, message);
  if (result.kind === "error") throw result.error;
  if (result.kind === "valid") return [];
  return result.violations.map((violation) => ({
    field: pathToString(violation.field),
    rule: violation.ruleId,
    message: violation.message,
  }));
}
