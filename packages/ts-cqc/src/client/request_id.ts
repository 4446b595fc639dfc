import { create, type DescMessage, type DescMethod, type Message, type MessageInitShape } from "@bufbuild/protobuf";
import { hasRequestId } from "./retry_policy.js";

/** Returns the request as a message whose `request_id`, if it has the field, is filled. The argument is not changed. */
export function withRequestId(method: DescMethod, request: object): Message {
  const message: Message & { requestId?: string } = create(method.input, request as MessageInitShape<DescMessage>);
  if (!hasRequestId(method) || message.requestId) return message;
  const filled: typeof message = { ...message, requestId: crypto.randomUUID() };
  return filled;
}
