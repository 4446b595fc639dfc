"""The locked toolchain: its installation, its locks, its versions."""
