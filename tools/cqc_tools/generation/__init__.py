"""From the contracts to the code of the three packages."""
