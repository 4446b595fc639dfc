// Serves prices on an address, or follows the prices of a server: `node service.mjs serve|follow HOST:PORT`.
import { setTimeout as pause } from "node:timers/promises";
import { connect, follow } from "@cq/cqc/client";
import { ServiceError } from "@cq/cqc/errors";
import { serve, service } from "@cq/cqc/server";
import { ErrorReason, MarketData } from "@cq/cqc/services/v1";

const interval = 200;
const prices = service(MarketData, {
  async getPrice({ assetId }) {
    if (assetId === "XMR") throw new ServiceError(ErrorReason.NO_DATA, "no price of XMR yet");
    return { assetId, value: 65_000.5 };
  },
  async *streamPrices(request, { signal }) {
    let sent = Number(request.resumeToken);
    while (!signal.aborted) {
      sent += 1;
      const price = { assetId: request.assetIds[0], value: sent };
      yield { event: { case: "price", value: price }, resumeToken: `${sent}` };
      await pause(interval, undefined, { signal });
    }
  },
});

const commands = {
  async serve(address) {
    const server = await serve([prices], { address, plaintext: true });
    console.log(`listening on ${server.address}`);
    await server.wait();
  },
  async follow(target) {
    const marketData = connect({ target, token: "", plaintext: true }).client(MarketData);
    const onLost = ({ cause }) => console.log("lost", cause);
    for await (const { event } of follow(marketData.streamPrices, { assetIds: ["BTC"] }, { onLost })) {
      console.log("item", event.value.value);
    }
  },
};
const [command, address] = process.argv.slice(2);
await commands[command](address);
