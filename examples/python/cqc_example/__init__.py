"""A MarketData server that replays captured exchange traffic, and a client that rebuilds the order books."""
