// What a program does with the package, whichever way it was loaded. Throws if a result is wrong.
module.exports = function check({ protobuf, cqc, decimal, markets, services }) {
  const { Price, OrderBook } = markets;
  const price = protobuf.create(Price, { assetId: "BTC-USD", value: 65_000.5 });
  const copy = protobuf.fromBinary(Price, protobuf.toBinary(Price, price));
  const text = protobuf.toJsonString(Price, copy);
  const level = { price: "0.10", quantity: "3" };
  const book = protobuf.create(OrderBook, { venueSymbolId: "binance:BTC-USDT-SPOT", bids: [level] });
  const bid = new cqc.BookBuilder(book).book().bids[0].price;
  const facts = [text, decimal.parseDecimal(bid).times(2).toFixed(), services.MarketData.method.getPrice.name];
  const expected = ['{"assetId":"BTC-USD","value":65000.5}', "0.2", "GetPrice"];
  if (facts.join() !== expected.join()) throw new Error(`expected ${expected}, found ${facts}`);
  return "ok";
};
