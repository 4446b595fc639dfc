"""Read the contracts and compare them."""
