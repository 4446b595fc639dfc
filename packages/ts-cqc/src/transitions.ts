import { getOption } from "@bufbuild/protobuf";
import type { GenEnum } from "@bufbuild/protobuf/codegenv2";
import { next_state } from "./gen/cqc/options/v1/options_pb.js";

/**
 * Returns whether a state may follow another: `canTransition(OrderStatusSchema, before, after)`.
 *
 * Works for every enum whose values declare the states that may follow them, such as OrderStatus and TransferState.
 * False only if the contract rules the transition out. Repeating a state is legal, and so is any
 * transition from or to a state that is unspecified or unknown to this version. As in FIX, an order may fill after it
 * was cancelled, and a cancellation may be rejected; see the comments of OrderStatus.
 *
 * Throws a RangeError if no value of the enum declares what may follow it.
 */
export function canTransition<E extends number>(schema: GenEnum<E>, before: E, after: E): boolean {
  if (!schema.values.some((value) => getOption(value, next_state).length > 0)) {
    throw new RangeError(`${schema.typeName} declares no transitions`);
  }
  const from = schema.value[before];
  const to = schema.value[after];
  if (before === after || !from?.number || !to?.number) return true;
  return getOption(from, next_state).includes(to.name);
}
