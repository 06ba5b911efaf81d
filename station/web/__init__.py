"""The command table over HTTP: REST with OpenAPI, a stream of events, and the front panel (extra `sim`)."""
