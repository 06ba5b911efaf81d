"""The scenarios that come with the program: TOML files, see docs/scenarios.md."""
