"""Mapping tables between the native formats of five venues and CQC messages, usable in both directions."""
