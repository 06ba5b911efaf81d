"""Hardware abstraction layer: boards, meters, readers and buses. Never imports `station`."""
