"""Everything that speaks OCPP: frames, schemas, the link, delivery and one folder per protocol version."""
