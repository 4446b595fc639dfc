"""One module per ecosystem; release.toml names the ones that a project releases to."""
