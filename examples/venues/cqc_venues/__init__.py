"""Mappings from five venues' own formats to the contracts and back, as tables that are read in both directions."""
