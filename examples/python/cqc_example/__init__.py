"""A MarketData server that replays exchange traffic, and a client that rebuilds the order books from it."""
