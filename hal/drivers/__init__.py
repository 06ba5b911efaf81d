"""Drivers for real hardware, one kind of device per file; hal.registry names them.

A driver module has a factory `create(settings) -> Board` and `claims(settings) -> {(port, address)}`. It imports its
bus library inside `start`, raises nothing but HalError, and is tested against its emulator in hal.emulators.
"""
