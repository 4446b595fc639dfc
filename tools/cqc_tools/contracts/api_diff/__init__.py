"""What changed in the contracts between two revisions: read both, compare them, show the differences."""
