"""Rebuilds orders, balances, positions, the registry and limits from `cqc.events.v1.Event` alone."""
