"""The other end of every driver: each speaks the real wire protocol over a pty or slcan, in its own process.

An emulator shares no codec with the driver that it tests: two readings of one manual find what one overlooks.
"""
