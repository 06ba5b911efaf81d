"""The simulator: virtual time, an in-memory link, the embedded CSMS, scenarios. Firmware never loads it."""
