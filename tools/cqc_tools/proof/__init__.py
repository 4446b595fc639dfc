"""Checks, tests, rehearsals and injected faults."""
