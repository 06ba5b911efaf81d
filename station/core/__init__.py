"""The heart: state + event + now -> effects. Pure: no await, no I/O, no clock, no protocol version, no message names."""
