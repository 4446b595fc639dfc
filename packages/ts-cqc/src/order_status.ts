import { getOption } from "@bufbuild/protobuf";
import { next_order_status, OrderStatus, OrderStatusSchema } from "./gen/cqc/venues/v1/order_pb.js";

/**
 * Returns whether an order may move from one status to another.
 *
 * False only if the contract rules the transition out. Repeating a status is legal, and so is any transition from or to
 * a status that is unspecified or unknown to this version. As in FIX, an order may fill after it was cancelled, and a
 * cancellation may be rejected; see the comments of OrderStatus.
 */
export function canTransition(before: OrderStatus, after: OrderStatus): boolean {
  const status = OrderStatusSchema.value[before];
  if (before === after || !status || before === OrderStatus.UNSPECIFIED) return true;
  if (!OrderStatusSchema.value[after] || after === OrderStatus.UNSPECIFIED) return true;
  return getOption(status, next_order_status).includes(after);
}
