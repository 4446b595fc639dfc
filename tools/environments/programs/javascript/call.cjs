// Serves a price over TLS and asks for it with a token; in plain text, and without a token, if there is no certificate.
const token = "4f6b1c-secret";

module.exports = async function call({ connect, serve, service, MarketData }, certificate, key) {
  const verify = (given) =>
    given === token ? { subject: "desk", scopes: new Set(["market.read"]), accounts: new Set() } : undefined;
  const prices = service(MarketData, { getPrice: async ({ assetId }) => ({ assetId, value: 1 }) });
  const tls = certificate !== undefined;
  const secured = tls ? { verify, certificate, key } : { plaintext: true };
  const server = await serve([prices], { address: "localhost:0", ...secured });
  const trusted = tls ? { token, ca: certificate } : { token: "", plaintext: true };
  const connection = connect({ target: `localhost:${server.port}`, ...trusted });
  try {
    await connection.client(MarketData).getPrice({ assetId: "BTC" });
  } finally {
    connection.close();
    await server.stop();
  }
};
