"""The tool that generates, checks, builds, publishes and verifies CQC's packages."""
