"""One module per stage of a release."""
