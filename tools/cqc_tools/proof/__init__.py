"""What shows that all of it holds: checks, tests, rehearsal, faults."""
