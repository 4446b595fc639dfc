import { getOption } from "@bufbuild/protobuf";
import { next_order_status, OrderStatus, OrderStatusSchema } from "./gen/cqc/venues/v1/order_pb.js";

/**
 * Says whether an order may go from one state to another.
 *
 * False only where the contract rules it out: a repeated state is legal, as is anything from or to a state that is
 * unspecified or that only a newer version of the contract knows. Late fills after a cancellation and refused
 * cancellations are legal, as FIX has them; see the comments of OrderStatus.
 */
export function canTransition(before: OrderStatus, after: OrderStatus): boolean {
  const state = OrderStatusSchema.value[before];
  if (before === after || !state || before === OrderStatus.UNSPECIFIED) return true;
  if (!OrderStatusSchema.value[after] || after === OrderStatus.UNSPECIFIED) return true;
  return getOption(state, next_order_status).includes(after);
}
