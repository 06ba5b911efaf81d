"""Smart charging as pure functions: what limits the current, and why."""
